package int8

// kernel is one implementation of the loops over the elements of a row. All give
// the same bits. Slices are not empty, and have the lengths that fit each other.
type kernel struct {
	name   string
	peaks  func(dst []uint32, x []float32, width int)
	encode func(codes []byte, x, scales []float32, width int, s *sums)
	trial  func(x []float32, inverses *[trials]float32) [trials]float32
	decode func(dst []float32, codes []byte, scales []float32, width int)
}

// step is the number of elements that vector code takes at a time.
const step = 16

// fastest is the kernel in use.
var fastest = kernels()[0]
