package hf

import (
	"math"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
)

// RopeFrequencies returns the prior's rotary frequencies, RopeDim/2 values, as
// PyTorch stores them in msa.rope.rope.freqs: θ^(−2j/RopeDim) with θ = 10000,
// computed in float32. PyTorch's own bits depend on the processor's vector
// width; they differ from these in about one value of a hundred, by at most 2
// units in the last place.
func (c DiTConfig) RopeFrequencies() []float32 {
	return frequencies(DiTRopeTheta, c.RopeDim)
}

// RopeInvFreq returns the rotary frequencies of the VAE, HeadDim()/2 values:
// θ^(−2j/HeadDim) with θ = RopeTheta, computed in float32; see RopeFrequencies
// for how near they are to PyTorch's.
func (c VAEConfig) RopeInvFreq() []float32 {
	return frequencies(float32(c.RopeTheta), c.HeadDim())
}

// frequencies returns 1/(theta^(2j/dim)) for j in 0…dim/2−1. The exponent, the
// power and the reciprocal are each rounded to float32.
func frequencies(theta float32, dim int) []float32 {
	f := make([]float32, dim/2)
	for j := range f {
		exponent := float32(2*j) / float32(dim)
		f[j] = 1 / float32(math.Pow(float64(theta), float64(exponent)))
	}
	return f
}

// ropeUlps is how far, in units in the last place, a stored frequency may be
// from RopeFrequencies: twice what PyTorch's own variants differ by.
const ropeUlps = 4

// CheckRope compares a stored buffer of rotary frequencies, widened to float32,
// with RopeFrequencies. Every value must be the computed one as PyTorch may have
// it, rounded to the type t that it is stored in, or all of them to bfloat16 or
// float16 where the model had that type before it was stored in a wider one.
func (c DiTConfig) CheckRope(stored []float32, t dtype.Type) error {
	want := c.RopeFrequencies()
	if len(stored) != len(want) {
		return tensor.Damagedf("%d rotary frequencies, want rope_dim/2 = %d", len(stored), len(want))
	}
	if !t.Float() {
		return tensor.Damagedf("rotary frequencies are stored as %v, want a floating-point type", t)
	}
	first := mismatch(stored, want, t)
	if first < 0 || t.Size() >= 4 && (mismatch(stored, want, dtype.BF16) < 0 || mismatch(stored, want, dtype.F16) < 0) {
		return nil
	}
	return tensor.Damagedf("rotary frequency %d is %v, want %v (10000^(−2·%d/%d), stored as %v)",
		first, stored[first], want[first], first, c.RopeDim, t)
}

// mismatch returns the index of the first stored value that is not a wanted one
// rounded to t, and −1 for none.
func mismatch(stored, want []float32, t dtype.Type) int {
	for j, f := range want {
		lo := round(steps(f, -ropeUlps), t)
		hi := round(steps(f, ropeUlps), t)
		if !(lo <= stored[j] && stored[j] <= hi) {
			return j
		}
	}
	return -1
}

// steps returns the float32 that lies n representable values above x > 0.
func steps(x float32, n int32) float32 {
	return math.Float32frombits(uint32(int32(math.Float32bits(x)) + n))
}

// round rounds x to the nearest value of t.
func round(x float32, t dtype.Type) float32 {
	switch t {
	case dtype.F16:
		return dtype.F16ToFloat32(dtype.Float32ToF16(x))
	case dtype.BF16:
		return dtype.RoundBF16(x)
	}
	return x
}
