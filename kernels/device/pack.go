package device

import (
	"math"

	"colakit/kernels/cuda"
)

// Limits of every device of capability 8.0 and later.
const (
	maxGridYZ = 65535
	maxBlockZ = 64
)

// Pack checks a launch against the kernel's declaration and returns one slot of 8
// bytes for each parameter.
func Pack(k cuda.Kernel, l Launch, sharedLimit int, args []any) ([]uint64, error) {
	if err := checkShape(k, l, sharedLimit); err != nil {
		return nil, err
	}
	if len(args) != len(k.Parameters) {
		return nil, refused(k, l, Argumentf("%d arguments for %d parameters", len(args), len(k.Parameters)))
	}
	slots := make([]uint64, len(args))
	for i, arg := range args {
		p := k.Parameters[i]
		kind, bits := slot(arg)
		if kind != p.Kind {
			return nil, refused(k, l, Argumentf("argument %d (%s) is %T, the parameter is %v", i, p.Name, arg, p.Kind))
		}
		slots[i] = bits
	}
	return slots, nil
}

func slot(arg any) (cuda.Kind, uint64) {
	switch v := arg.(type) {
	case Pointer:
		return cuda.Pointer, uint64(v)
	case Buffer:
		return cuda.Pointer, uint64(v.Pointer)
	case int32:
		return cuda.Int32, uint64(uint32(v))
	case uint32:
		return cuda.Uint32, uint64(v)
	case int64:
		return cuda.Int64, uint64(v)
	case uint64:
		return cuda.Uint64, v
	case float32:
		return cuda.Float32, uint64(math.Float32bits(v))
	}
	return 0, 0
}

func checkShape(k cuda.Kernel, l Launch, sharedLimit int) error {
	g, b := l.Grid, l.Block
	switch {
	case g.Count() == 0 || g.X > math.MaxInt32 || g.Y > maxGridYZ || g.Z > maxGridYZ:
		return refused(k, l, Argumentf("bad grid size"))
	case b.Count() == 0 || b.Z > maxBlockZ:
		return refused(k, l, Argumentf("bad block size"))
	case b.Count() > uint64(k.MaxThreads):
		return refused(k, l, Argumentf("%d threads in a block, its launch bounds are %d", b.Count(), k.MaxThreads))
	case l.Shared < 0 || l.Shared > sharedLimit:
		return refused(k, l, Argumentf("%d bytes of dynamic shared memory, the device has %d", l.Shared, sharedLimit))
	}
	return nil
}

func refused(k cuda.Kernel, l Launch, err error) error {
	return &LaunchError{Kernels: []string{k.Name}, Shape: l, Reason: err.Error(), Kind: ErrArgument}
}
