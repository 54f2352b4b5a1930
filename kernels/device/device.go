// Package device is what an engine needs of a machine that runs the kernels of
// package cuda: memory, copies, launches, graphs. Package emulated implements it
// on the CPU, package driver on a GPU.
//
// Work is enqueued in the order of the calls and may run later; Download and
// Synchronize wait for it. So an error of a kernel may come from a later call;
// it names the kernel all the same. After a fault (ErrLost) a device answers
// every call with that error: close it and open it again.
//
// A Device is for one goroutine at a time.
package device

import (
	"errors"
	"time"
)

// Errors that a Device's errors wrap.
var (
	// ErrMemory: the device has not that much memory left. The device stays usable.
	ErrMemory = errors.New("out of device memory")
	// ErrArgument: the call was wrong and did nothing. The device stays usable.
	ErrArgument = errors.New("invalid call")
	// ErrLost: a kernel faulted or hung; the contents of the device are lost.
	ErrLost = errors.New("device lost")
	// ErrUnavailable: there is no such device, or this build cannot use it.
	ErrUnavailable = errors.New("device unavailable")
)

// Pointer is an address in device memory. The zero Pointer is null.
type Pointer uint64

// Buffer is a piece of device memory. Fresh memory holds nothing in particular
// (NaN on the emulated device). The zero Buffer is none.
type Buffer struct {
	Pointer Pointer
	Bytes   int64
}

// At returns the address of a byte of the buffer.
func (b Buffer) At(offset int64) Pointer { return b.Pointer + Pointer(offset) }

// Dim3 is the size of a grid or a block, or an index into one.
type Dim3 struct{ X, Y, Z uint32 }

// D returns the size of up to three dimensions; the others are 1.
func D(sizes ...int) Dim3 {
	d := [3]uint32{1, 1, 1}
	for i, n := range sizes {
		d[i] = uint32(n)
	}
	return Dim3{d[0], d[1], d[2]}
}

// Count returns the number of elements.
func (d Dim3) Count() uint64 { return uint64(d.X) * uint64(d.Y) * uint64(d.Z) }

// Launch is the shape of a launch.
type Launch struct {
	Grid, Block Dim3
	Shared      int // bytes of dynamic shared memory
}

// Info describes a device.
type Info struct {
	Kind           string `json:"kind"` // "emulated" or "cuda"
	Index          int    `json:"index"`
	Name           string `json:"name,omitempty"`
	Capability     string `json:"capability,omitempty"`       // "9.0"
	Driver         string `json:"driver,omitempty"`           // version of CUDA that the driver supports: "12.9"; empty if there is none
	Memory         int64  `json:"memory,omitempty"`           // bytes
	Free           int64  `json:"free,omitempty"`             // bytes that Alloc can still give; 0: not known
	Processors     int    `json:"processors,omitempty"`       // streaming multiprocessors; OS threads on the emulated device
	SharedPerBlock int    `json:"shared_per_block,omitempty"` // bytes of shared memory that a block can ask for
	L2             int64  `json:"l2,omitempty"`               // bytes of the second-level cache; 0: not known
	Bandwidth      int64  `json:"bandwidth,omitempty"`        // peak bytes per second of its memory; 0: not known
}

// Graph is a recorded sequence of launches and copies. It keeps the addresses and
// arguments it was recorded with.
type Graph interface {
	Launch() error
	Close() error
}

// Device runs kernels. Offsets and sizes are in bytes.
type Device interface {
	Info() Info

	Alloc(bytes int64) (Buffer, error)
	Free(Buffer) error

	// Upload copies from the host; src may be changed as soon as it returns.
	Upload(dst Buffer, offset int64, src []byte) error
	// Download copies to the host and waits for all work before it.
	Download(dst []byte, src Buffer, offset int64) error
	// Copy copies on the device. The ranges must not overlap.
	Copy(dst Buffer, dstOffset int64, src Buffer, srcOffset, bytes int64) error
	Zero(b Buffer, offset, bytes int64) error

	// Launch runs a kernel of package cuda. The arguments are Pointer, Buffer, int32,
	// uint32, int64, uint64 or float32 and match its parameters exactly.
	Launch(kernel string, l Launch, args ...any) error

	// Capture records the launches, Copy and Zero calls that record makes, instead of
	// running them. Other calls fail inside it.
	Capture(record func() error) (Graph, error)

	Synchronize() error
	// Time returns how long the device took for the work that f enqueues.
	Time(f func() error) (time.Duration, error)

	// Close frees everything that was allocated.
	Close() error
}
