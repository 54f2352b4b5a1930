package ops

import (
	"colakit/kernels/device"
)

// Ops launches operations on one device.
type Ops struct {
	device device.Device
	part   device.Buffer // partial sums of linear layers
	done   device.Buffer // one counter for each of their tiles, zero between launches

	wideBlocks int // so many wide blocks keep a device busy; fewer are not taken
	// Parts of the keys get blocks of their own if there are splitParts or more, and
	// fewer than splitBlocks blocks else.
	splitParts, splitBlocks int
}

const (
	threads = 256
	// counters bounds the tiles of one launch of a linear layer.
	counters = 1 << 16
	// minWorkspace holds 64 rows of the widest part of a layer.
	minWorkspace = 1 << 20
)

// New returns the operations of a device, with a workspace of the given bytes (at
// least 1 MiB is taken) for partial sums: large passes are cut to fit into it.
func New(d device.Device, workspace int64) (*Ops, error) {
	part, err := d.Alloc(max(workspace, minWorkspace))
	if err != nil {
		return nil, err
	}
	done, err := d.Alloc(4 * counters)
	if err == nil {
		err = d.Zero(done, 0, done.Bytes)
	}
	if err != nil {
		d.Free(part)
		return nil, err
	}
	return &Ops{device: d, part: part, done: done, wideBlocks: processors, splitParts: 3, splitBlocks: 2 * processors}, nil
}

// Device returns the device.
func (o *Ops) Device() device.Device { return o.device }

// Bytes returns the size of the workspace.
func (o *Ops) Bytes() int64 { return o.part.Bytes + o.done.Bytes }

// Close gives the workspace back.
func (o *Ops) Close() error {
	err := o.device.Free(o.part)
	if e := o.device.Free(o.done); err == nil {
		err = e
	}
	return err
}

// launch runs a kernel; ints become int32.
func (o *Ops) launch(kernel string, l device.Launch, args ...any) error {
	for i, a := range args {
		switch v := a.(type) {
		case int:
			args[i] = int32(v)
		case Type:
			args[i] = int32(v)
		case Activation:
			args[i] = int32(v)
		case Matrix:
			args[i] = v.pointer()
		case Vector:
			args[i] = v.pointer()
		}
	}
	return o.device.Launch(kernel, l, args...)
}

// elementwise is the shape of a launch of one thread for each column of each row.
func elementwise(cols, rows int) device.Launch {
	return device.Launch{Grid: device.D(ceil(cols, threads), rows), Block: device.D(threads)}
}

// flat is the shape of a launch of one thread for each of n elements.
func flat(n int) device.Launch {
	return device.Launch{Grid: device.D(ceil(n, threads)), Block: device.D(threads)}
}

func ceil(n, by int) int { return (n + by - 1) / by }

// maxGridY is the number of rows that one launch of elementwise takes.
const maxGridY = 65535

// bands calls fn for bands of at most maxGridY rows.
func bands(rows int, fn func(from, to int) error) error {
	for from := 0; from < rows; from += maxGridY {
		if err := fn(from, min(from+maxGridY, rows)); err != nil {
			return err
		}
	}
	return nil
}

// flag is a bool for a kernel.
func flag(b bool) int32 {
	if b {
		return 1
	}
	return 0
}
