package operation

import (
	"math"

	"colakit/formats/hf"
	"colakit/formats/tensor"
)

// turning is a model's own rotation.
type turning struct {
	freqs    []float64 // of its pairs
	pairs    string
	channels int // rotated, of a head
	width    int // of a head
	theta    float64
	keys     bool // rows are keys
}

// ditTurning is the prior's: interleaved pairs of the first rope_dim channels.
func (e *evaluation) ditTurning(layer int, keys bool) turning {
	cfg := e.Run.Config.DiT
	t := turning{pairs: "interleaved", channels: cfg.RopeDim, width: cfg.HeadDim, theta: hf.DiTRopeTheta, keys: keys}
	t.freqs = float64s(cfg.RopeFrequencies())
	name := hf.DiTBlockModules(layer).RopeFreqs
	if !e.has(name) {
		return t
	}
	view, err := e.Weights.Read(name)
	if err == nil && !view.Shape.Equal(tensor.Shape{len(t.freqs)}) {
		err = tensor.Damagedf("%s has shape %v, wanted [%d]", name, view.Shape, len(t.freqs))
	}
	if err == nil {
		t.freqs, err = view.Float64s()
	}
	if err != nil {
		e.fail(err)
	}
	return t
}

// vaeTurning is the VAE's: pairs (j, j + width/2) of all channels.
func (e *evaluation) vaeTurning(keys bool) turning {
	cfg := e.Run.Config.VAE
	return turning{
		freqs: float64s(cfg.RopeInvFreq()), pairs: "halves", channels: cfg.HeadDim(), width: cfg.HeadDim(), theta: cfg.RopeTheta, keys: keys,
	}
}

// frequencies are the turning's own, or θ^(−2j/dim) as the form has it.
func (f *form) frequencies(t turning) []float64 {
	if f.theta == 0 && f.dim == 0 && f.channels == 0 {
		return t.freqs
	}
	theta, dim, channels := t.theta, t.channels, t.channels
	if f.theta != 0 {
		theta = f.theta
	}
	if f.channels != 0 {
		dim, channels = f.channels, f.channels
	}
	if f.dim != 0 {
		dim = f.dim
	}
	freqs := make([]float64, channels/2)
	for j := range freqs {
		freqs[j] = single(1 / single(math.Pow(theta, single(float64(2*j)/float64(dim)))))
	}
	return freqs
}

// rotated turns the pairs (a, b) of every head of x:
//
//	(a·cos φ − b·sin φ, b·cos φ + a·sin φ)    φ = position·frequency in float32
//
// The result is held as x is.
func (e *evaluation) rotated(f *form, x matrix, t turning, g geometry, coarse bool) matrix {
	if e.err != nil {
		return matrix{}
	}
	freqs, positions := f.frequencies(t), f.positions(t, g, e)
	y := x.each(unrounded)
	turn := turned
	if (coarse != f.coarse) && x.bf16 {
		turn = turnedCoarsely
	}
	for range f.rotation.times {
		for r := range y.rows {
			for at := 0; at+t.width <= y.cols; at += t.width {
				head := y.row(r)[at : at+t.width]
				for j, freq := range freqs {
					a, b := f.pair(t, j, len(freqs))
					phi := f.rotation.sign * single(float64(positions[r])*freq)
					head[a], head[b] = turn(head[a], head[b], phi)
				}
			}
		}
	}
	return f.hold(y, x.bf16)
}

func turned(a, b, phi float64) (float64, float64) {
	sin, cos := math.Sincos(phi)
	return a*cos - b*sin, b*cos + a*sin
}

// turnedCoarsely rounds sine, cosine, products and sums to bfloat16.
func turnedCoarsely(a, b, phi float64) (float64, float64) {
	sin, cos := math.Sincos(phi)
	sin, cos = nearestBF16(sin), nearestBF16(cos)
	return nearestBF16(nearestBF16(a*cos) - nearestBF16(b*sin)), nearestBF16(nearestBF16(b*cos) + nearestBF16(a*sin))
}

// pair returns the channels of pair j of n.
func (f *form) pair(t turning, j, n int) (a, b int) {
	pairs := t.pairs
	if f.pairs == "other" {
		pairs = map[string]string{"interleaved": "halves", "halves": "interleaved"}[pairs]
	}
	if pairs == "halves" {
		return j, j + n
	}
	return 2 * j, 2*j + 1
}

// positions returns where the rows of a rotation stand.
func (f *form) positions(t turning, g geometry, e *evaluation) []int {
	p := g.positions(t.keys)
	at := 0
	for _, s := range g.spans {
		n, from := s.queries, 0
		if t.keys {
			n = s.keys()
		}
		switch {
		case f.flowing:
			from = at
		case f.from == "0" && !t.keys:
			from = -s.cached
		case f.from == "cond":
			from = e.Run.Samples[s.sample].Prefix + e.Site.Block*e.Run.Config.DiT.BlockSize - s.cached
		}
		for i := range n {
			p[at+i] += from + f.offset
			if f.uncommitted && p[at+i] >= s.cached {
				p[at+i] -= s.cached - s.prefix
			}
			if f.restart > 0 {
				p[at+i] %= f.restart
			}
		}
		at += n
	}
	return p
}

func float64s(values []float32) []float64 {
	out := make([]float64, len(values))
	for i, x := range values {
		out[i] = float64(x)
	}
	return out
}
