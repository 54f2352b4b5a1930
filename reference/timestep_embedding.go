package reference

import (
	"math"

	"github.com/nlpodyssey/spago/nn"

	"colakit/formats/hf"
)

// TimestepEmbedding is sinusoid → Linear → SiLU → Linear → SiLU → Linear.
type TimestepEmbedding[T number] struct {
	nn.Module
	ProjIn, ProjHid, ProjOut *Linear[T] // [d, 256], [d, d], [d, d]
}

// forward maps a sinusoid [m, 256] to the embedding [m, d].
func (e *TimestepEmbedding[T]) forward(p *pass[T], sinusoid value[T]) value[T] {
	x := silu(p, e.ProjIn.forward(p, sinusoid))
	x = silu(p, e.ProjHid.forward(p, x))
	return e.ProjOut.forward(p, x)
}

// sinusoid returns [sin(t·f), cos(t·f)], [m, 256], f_i = e^(−ln(10000)·i/128). The
// frequencies and angles are T's, as in PyTorch; the result is bfloat16 where the
// trunk is.
func sinusoid[T number](p *pass[T], t []T) value[T] {
	const half = hf.SinusoidDim / 2
	out := value[T]{newMatrix[T](len(t), 2*half), p.released}
	for i := range half {
		f := T(math.Exp(float64(T(T(-math.Log(10000))*T(i)) / half)))
		for r, at := range t {
			sin, cos := math.Sincos(float64(at * f))
			row := out.row(r)
			row[i], row[half+i] = T(sin), T(cos)
		}
	}
	return p.round(out)
}
