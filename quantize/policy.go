package quantize

import "colakit/formats/hf"

// Policy decides how a tensor is stored, and says why.
type Policy interface {
	Choose(hf.Expected) (scheme Scheme, reason string)
}

// Uniform stores all matrices by one scheme. Vectors (biases, the weights of
// norms, rotary frequencies) keep 32 bits under any: together they are less than
// 0.1 % of a model's bytes, and what they shift or scale is a whole channel.
type Uniform struct{ Matrices Scheme }

// Choose implements Policy.
func (u Uniform) Choose(t hf.Expected) (Scheme, string) {
	switch {
	case t.Class == hf.Buffer:
		return F32, "a buffer keeps 32 bits: it follows from the configuration exactly"
	case t.Class == hf.Norm:
		return F32, "the weights of norms keep 32 bits: they are few and scale whole channels"
	case t.Class == hf.Bias || len(t.Shape) < 2:
		return F32, "biases keep 32 bits: they are few and shift whole channels"
	}
	return u.Matrices, "every matrix is " + u.Matrices.String() + ", as asked"
}
