package device

import (
	"fmt"
	"strings"
)

// LaunchError is an error of a kernel.
type LaunchError struct {
	Kernels []string // the kernel, or those among which it is if only that is known
	Shape   Launch   // of the launch, if one kernel is named
	Located bool     // are Block and Thread known?
	Block   Dim3
	Thread  Dim3
	Reason  string
	Kind    error // ErrLost or ErrArgument
}

// Error names kernel, thread and block, what happened and what can be done.
func (e *LaunchError) Error() string {
	var b strings.Builder
	if len(e.Kernels) == 1 {
		fmt.Fprintf(&b, "kernel %s", e.Kernels[0])
	} else {
		fmt.Fprintf(&b, "one of the kernels %s", strings.Join(e.Kernels, ", "))
	}
	if e.Located {
		fmt.Fprintf(&b, ", thread %v of block %v", e.Thread, e.Block)
	}
	fmt.Fprintf(&b, ": %s", e.Reason)
	if len(e.Kernels) == 1 && e.Shape.Block.X > 0 {
		fmt.Fprintf(&b, " [grid %v, blocks of %v]", e.Shape.Grid, e.Shape.Block)
	}
	return b.String()
}

// Unwrap returns the kind of the error.
func (e *LaunchError) Unwrap() error { return e.Kind }

// String returns "(1,2,3)".
func (d Dim3) String() string { return fmt.Sprintf("(%d,%d,%d)", d.X, d.Y, d.Z) }

// MemoryError says what was asked for and what there is.
type MemoryError struct {
	Wanted, Free int64
	Device       string
}

// Error returns "…: 5.0 GiB wanted, …".
func (e *MemoryError) Error() string {
	return fmt.Sprintf("%s: out of device memory: %d bytes wanted, %d free", e.Device, e.Wanted, e.Free)
}

// Unwrap returns ErrMemory.
func (e *MemoryError) Unwrap() error { return ErrMemory }

// Argumentf returns an error that wraps ErrArgument.
func Argumentf(format string, args ...any) error {
	return wrapped{ErrArgument, fmt.Sprintf(format, args...)}
}

// Unavailablef returns an error that wraps ErrUnavailable.
func Unavailablef(format string, args ...any) error {
	return wrapped{ErrUnavailable, fmt.Sprintf(format, args...)}
}

type wrapped struct {
	kind error
	text string
}

func (w wrapped) Error() string { return w.text }
func (w wrapped) Unwrap() error { return w.kind }
