package operation

import (
	"math"

	"colakit/formats/hf"
)

// norm returns LayerNorm over runs of width elements of every row:
//
//	y = (x − mean)/√(variance + eps)·γ + β
//
// The result is float32 under both contracts. module "" has no parameters.
func (e *evaluation) norm(f *form, module hf.Module, x matrix, width int, eps float64) matrix {
	if e.err != nil {
		return matrix{}
	}
	gamma, beta := e.affine(f, module, width)
	if f.eps >= 0 {
		eps = f.eps
	}
	if f.width > 0 && x.cols%f.width == 0 {
		width = f.width
	}
	y := x
	for range f.norming.times {
		y = y.each(unrounded)
		for at := 0; at+width <= len(y.data); at += width {
			f.normalise(y.data[at:at+width], eps, gamma, beta)
		}
	}
	return f.hold(y.each(unrounded), false)
}

// affine returns γ and β of a module; nil where it has none.
func (e *evaluation) affine(f *form, module hf.Module, width int) (gamma, beta []float64) {
	if module == "" {
		return nil, nil
	}
	gamma, _ = e.vector(f, module.Weight(), width)
	beta, _ = e.vector(f, module.Bias(), width)
	return gamma, beta
}

// normalise replaces one run of x.
func (f *form) normalise(x []float64, eps float64, gamma, beta []float64) {
	mean, n := 0.0, float64(len(x))
	for _, v := range x {
		mean += v / n
	}
	if !f.centred {
		mean = 0
	}
	variance := 0.0
	for _, v := range x {
		variance += (v - mean) * (v - mean)
	}
	if f.sample {
		n--
	}
	deviation := math.Sqrt(variance/n + eps)
	if f.outside {
		deviation = math.Sqrt(variance/n) + eps
	}
	for i, v := range x {
		x[i] = (v - mean) / deviation
		if gamma != nil {
			x[i] *= gamma[i%len(gamma)] + f.norming.gamma
		}
		if beta != nil {
			x[i] += beta[i%len(beta)]
		}
	}
}
