package matmul

// A tile is the block of the product that is computed in one go: tileRows rows
// of x by tileCols rows of w.
const (
	tileRows = 4
	tileCols = 6
	lanes    = 16
)

type tile[T element] [tileRows * tileCols]T

// partial holds the lanes of a tile whose rows have been added in part.
type partial[T element] [tileRows * tileCols][lanes]T

// step is the addition of one piece of the rows of a tile, all of one length.
type step[T element] struct {
	x           *[tileRows][]T
	w           *[tileCols][]T
	rows        int         // of x that count; the others may be left out
	first, last bool        // piece of the rows: lanes begin at zero, are summed up
	lanes       *partial[T] // in unless first, out unless last
	sums        tile[T]     // out if last
}

// kernel does a step, in the package's order of summation.
type kernel[T element] func(s *step[T])

// named is a float32 kernel and the instructions that it is made of.
type named struct {
	name string
	kernel[float32]
}

// fast is the float32 kernel in use, nil where there is only the portable one.
var fast = func() kernel[float32] {
	if kernels := fastKernels(); len(kernels) > 0 {
		return kernels[0].kernel
	}
	return nil
}()

func choose[T element]() kernel[T] {
	if k, ok := any(fast).(kernel[T]); ok && k != nil {
		return k
	}
	return portable[T]
}
