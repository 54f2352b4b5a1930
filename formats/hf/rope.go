package hf

import "math"

// RopeFrequencies returns the prior's rotary frequencies, RopeDim/2 values, as
// PyTorch stores them in msa.rope.rope.freqs: θ^(−2j/RopeDim) with θ = 10000,
// computed in float32.
func (c DiTConfig) RopeFrequencies() []float32 {
	return frequencies(DiTRopeTheta, c.RopeDim)
}

// RopeInvFreq returns the rotary frequencies of the VAE, HeadDim()/2 values:
// θ^(−2j/HeadDim) with θ = RopeTheta, computed in float32 as PyTorch does.
func (c VAEConfig) RopeInvFreq() []float32 {
	return frequencies(c.RopeTheta, c.HeadDim())
}

// frequencies returns 1/(theta^(2j/dim)) for j in 0…dim/2−1; the exponent, the
// power and the reciprocal are each rounded to float32.
func frequencies(theta float64, dim int) []float32 {
	f := make([]float32, dim/2)
	for j := range f {
		exponent := float32(2*j) / float32(dim)
		f[j] = 1 / float32(math.Pow(theta, float64(exponent)))
	}
	return f
}
