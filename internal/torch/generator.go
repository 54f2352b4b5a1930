// Package torch reproduces bit for bit what generation takes from PyTorch's CPU build
// on x86-64: its random numbers and linspace. Compared with torch 2.15, capability
// AVX2 and AVX512 (testdata/gen_cases.py); without AVX2 torch rounds otherwise.
package torch

// Generator is torch.Generator(device="cpu"): a Mersenne Twister, and the second half
// of the last pair of single normals. It is not safe for concurrent use.
type Generator struct {
	state    [stateSize]uint32
	used     int // words of state that have been given out
	spare    float64
	hasSpare bool
}

const (
	stateSize  = 624
	stateShift = 397
)

// New returns a generator as manual_seed leaves it. A negative seed of Python is its
// two's complement, uint64(int64). Only the lower 32 bits count.
func New(seed uint64) *Generator {
	g := &Generator{used: stateSize}
	g.state[0] = uint32(seed)
	for i := 1; i < stateSize; i++ {
		last := g.state[i-1]
		g.state[i] = 1812433253*(last^last>>30) + uint32(i)
	}
	return g
}

// next returns the next 32 bits of MT19937.
func (g *Generator) next() uint32 {
	if g.used == stateSize {
		g.twist()
	}
	y := g.state[g.used]
	g.used++
	y ^= y >> 11
	y ^= y << 7 & 0x9d2c5680
	y ^= y << 15 & 0xefc60000
	return y ^ y>>18
}

func (g *Generator) twist() {
	for i := range g.state {
		y := g.state[i]&0x80000000 | g.state[(i+1)%stateSize]&0x7fffffff
		v := g.state[(i+stateShift)%stateSize] ^ y>>1
		if y&1 != 0 {
			v ^= 0x9908b0df
		}
		g.state[i] = v
	}
	g.used = 0
}

// uniform32 draws from [0, 1) in steps of 2⁻²⁴.
func (g *Generator) uniform32() float32 {
	return float32(g.next()&(1<<24-1)) * 0x1p-24
}

// uniform64 draws from [0, 1) in steps of 2⁻⁵³; the first word is the upper half.
func (g *Generator) uniform64() float64 {
	high := uint64(g.next())
	bits := high<<32 | uint64(g.next())
	return float64(bits&(1<<53-1)) * 0x1p-53
}

// Uniform is torch.rand: it fills dst with draws from [0, 1).
func (g *Generator) Uniform(dst []float32) {
	for i := range dst {
		dst[i] = g.uniform32()
	}
}
