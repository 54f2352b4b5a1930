package reference

import (
	"fmt"

	"github.com/nlpodyssey/spago/nn"

	"colakit/internal/matmul"
)

// Linear is y = x·Wᵀ + b.
type Linear[T number] struct {
	nn.Module
	W *nn.Param // [out, in]; nil where the weights stay as stored
	B *nn.Param // [out, 1]; nil: no bias

	stored  products[T]
	in, out int
}

// products multiplies by a weight matrix [out, in] that is no spago matrix.
type products[T number] interface {
	// multiply computes dst = x·Wᵀ for x [rows, in] and dst [rows, out].
	multiply(dst, x []T, rows, workers int) error
}

// forward maps x [R, in] to [R, out].
func (l *Linear[T]) forward(p *pass[T], x value[T]) value[T] {
	y := newMatrix[T](x.rows(), l.out)
	switch {
	case x.cols() != l.in:
		p.fail(fmt.Errorf("a linear layer of %d inputs got %d", l.in, x.cols()))
	case l.stored != nil:
		p.fail(l.stored.multiply(elements(y), p.narrow(x).data(), x.rows(), p.workers))
	default:
		multiply(elements(y), l.out, p.narrow(x).data(), l.in, parameterElements[T](l.W), l.in, x.rows(), l.out, l.in, p.workers)
	}
	l.addBias(p, y)
	return p.product(y)
}

func (l *Linear[T]) addBias(p *pass[T], y *matrix[T]) {
	bias := parameterElements[T](l.B)
	if bias == nil {
		return
	}
	rows, _ := dims(y)
	data := elements(y)
	spread(p.workers, rows, l.out, func(from, to int) {
		for r := from; r < to; r++ {
			row := data[r*l.out : (r+1)*l.out]
			for j, b := range bias {
				row[j] += b
			}
		}
	})
}

// multiply computes dst = x·wᵀ with x [rows, k], w [n, k] and dst [rows, n]; the
// rows of each begin ldd, ldx and ldw elements apart. Every matrix product of the
// engine goes through it. A row of the result has the same bits whatever the other
// rows and the number of workers.
func multiply[T number](dst []T, ldd int, x []T, ldx int, w []T, ldw int, rows, n, k, workers int) {
	matmul.MulTransposedStrided(dst, ldd, x, ldx, w, ldw, rows, n, k, workers)
}
