// Package matmul multiplies matrices as a linear layer does, with results that
// depend on nothing but the two rows that are multiplied.
//
// # The order of summation
//
// Every element of a product is the dot product of a row of x and a row of w,
// both of length k and thought of as padded with zeros to a multiple of 16. It
// is summed in 16 lanes,
//
//	lane[l] = x[l]·w[l] + x[l+16]·w[l+16] + x[l+32]·w[l+32] + …   (l = 0 … 15)
//
// each from zero and in ascending order, and the lanes are added by halves:
//
//	lane[l] += lane[l+8] (l < 8), lane[l] += lane[l+4] (l < 4),
//	lane[l] += lane[l+2] (l < 2), lane[0] + lane[1]
//
// This order is the same for any number of rows, columns and workers and any
// position in the matrix, so that a batch gives bit for bit what its parts give
// alone. On amd64 with AVX2 and FMA, float32 products and additions are fused,
// that is, rounded once; AVX-512 gives the same bits. Everywhere else, and in
// float64, each product is rounded before it is added, so float32 results differ
// in their last bits between the two kinds of processors.
package matmul

// element is a type of matrix elements.
type element interface{ float32 | float64 }

// MulTransposed computes dst = x·wᵀ: dst[r·n+j] = Σᵢ x[r·k+i]·w[j·k+i], for x of
// shape [rows, k], w of shape [n, k], as checkpoints store weights, and dst of
// shape [rows, n], all row-major. At most workers goroutines share the work;
// they have ended when it returns. dst must not overlap x or w. A slice that is
// too short for its shape is a mistake of the caller's and an index panic.
func MulTransposed[T element](dst, x, w []T, rows, n, k, workers int) {
	MulTransposedStrided(dst, n, x, k, w, k, rows, n, k, workers)
}

// MulTransposedStrided is MulTransposed for rows that are not adjacent: they
// begin ldd, ldx and ldw elements apart, and what lies between them is neither
// read nor written.
func MulTransposedStrided[T element](dst []T, ldd int, x []T, ldx int, w []T, ldw int, rows, n, k, workers int) {
	if rows <= 0 || n <= 0 {
		return
	}
	p := product[T]{
		dst: matrix[T]{dst[:(rows-1)*ldd+n], ldd, n},
		x:   matrix[T]{x[:(rows-1)*ldx+k], ldx, k},
		w:   matrix[T]{w[:(n-1)*ldw+k], ldw, k},
	}
	p.plan(rows, n, k)
	p.run(workers)
}

// matrix is rows of cols elements that begin stride elements apart.
type matrix[T element] struct {
	data         []T
	stride, cols int
}

func (m matrix[T]) row(i int) []T {
	start := i * m.stride
	return m.data[start : start+m.cols : start+m.cols]
}
