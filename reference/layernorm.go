package reference

import (
	"math"

	"github.com/nlpodyssey/spago/nn"
)

// LayerNorm is (x − mean)/√(variance + eps)·γ + β over runs of width elements:
// whole rows, or the heads of a row. Without parameters γ is 1 and β is 0.
type LayerNorm[T number] struct {
	nn.Module
	W *nn.Param // γ [width, 1], nil for none
	B *nn.Param // β [width, 1], nil for none

	width int
	eps   float64
}

// forward normalises x [R, n·width]. The result is float32 under both contracts.
func (l *LayerNorm[T]) forward(p *pass[T], x value[T]) value[T] {
	out := value[T]{m: newMatrix[T](x.rows(), x.cols())}
	gamma, beta := parameterElements[T](l.W), parameterElements[T](l.B)
	src, dst := x.data(), out.data()
	spread(p.workers, len(src)/l.width, 8*l.width, func(from, to int) {
		for i := from; i < to; i++ {
			normalise(dst[i*l.width:(i+1)*l.width], src[i*l.width:(i+1)*l.width], gamma, beta, l.eps)
		}
	})
	return out
}

// normalise computes one run. The moments are sums in float64, each rounded to T
// once; the rest are T's operations, in the order (x − mean)·rstd·γ + β.
func normalise[T number](dst, x, gamma, beta []T, eps float64) {
	mean, variance := moments(x)
	m, rstd := T(mean), 1/T(math.Sqrt(float64(T(variance)+T(eps))))
	for i, v := range x {
		y := T(v-m) * rstd
		if gamma != nil {
			y = T(y*gamma[i]) + beta[i]
		}
		dst[i] = y
	}
}

// moments returns the mean and the (biased) variance.
func moments[T number](x []T) (mean, variance float64) {
	for _, v := range x {
		mean += float64(v)
	}
	mean /= float64(len(x))
	for _, v := range x {
		d := float64(v) - mean
		variance += float64(d * d)
	}
	return mean, variance / float64(len(x))
}
