package torch

import "math"

// lanes is the number of floats in the vector registers of torch's kernel; a group of
// normals takes one register of radii and one of angles.
const lanes = 8

// Normal is torch.randn into a contiguous tensor of len(dst) elements, of any shape.
// Torch fills tensors of fewer than 16 elements by another method, so that one draw
// of 16 is not two draws of 8.
func (g *Generator) Normal(dst []float32) {
	const group = 2 * lanes
	if len(dst) < group {
		for i := range dst {
			dst[i] = float32(g.normal64())
		}
		return
	}
	g.Uniform(dst)
	for i := 0; i+group <= len(dst); i += group {
		boxMuller(dst[i : i+group])
	}
	if len(dst)%group != 0 { // the last group is drawn anew, over part of the one before
		tail := dst[len(dst)-group:]
		g.Uniform(tail)
		boxMuller(tail)
	}
}

// boxMuller turns 16 uniform numbers into normal ones as torch's AVX2 kernel does: the
// first 8 give radii, the last 8 angles.
func boxMuller(d []float32) {
	const mean = 0
	for i := range lanes {
		u1, u2 := 1-d[i], d[i+lanes]
		radius := float32(math.Sqrt(float64(-2 * logLane(u1))))
		sin, cos := sincosLane(float32(2*math.Pi) * u2)
		d[i] = float32(radius*cos) + mean // −0 becomes +0
		d[i+lanes] = float32(radius*sin) + mean
	}
}

// normal64 draws one normal number; of the pair that Box-Muller gives, the second is
// kept for the next call.
func (g *Generator) normal64() float64 {
	if g.hasSpare {
		g.hasSpare = false
		return g.spare
	}
	u1, u2 := g.uniform64(), g.uniform64()
	radius := math.Sqrt(-2 * math.Log1p(-u2))
	sin, cos := math.Sincos(2 * math.Pi * u1)
	g.spare, g.hasSpare = radius*sin, true
	return radius * cos
}

// Exponential is Tensor.exponential_(1): it fills dst with draws of the exponential
// distribution of rate 1. torch.multinomial(p, 1) is the index of the largest p/q,
// in float32, for such draws q, one for each element of p in memory order.
func (g *Generator) Exponential(dst []float32) {
	for i := range dst {
		dst[i] = float32(-math.Log1p(-g.uniform64()))
	}
}
