package ops

import (
	"fmt"
	"math"
	"testing"
)

// headsCase is a pass of two sequences through Heads.
type headsCase struct {
	g           Geometry
	pairs       int
	interleaved bool
	norm        bool
	in, out     Type
	step, round Type
}

func headsCases() []headsCase {
	return []headsCase{
		{Geometry{2, 2, 32}, 12, true, true, BF16, BF16, F32, BF16},   // the prior, released
		{Geometry{2, 2, 32}, 12, true, true, F32, F16, F32, F32},      // and exact
		{Geometry{4, 1, 20}, 10, false, false, BF16, BF16, BF16, F32}, // the VAE, rope_full_precision false
		{Geometry{3, 3, 34}, 17, false, false, F16, F16, F32, F32},
		{Geometry{1, 1, 6}, 0, true, true, F32, F32, F32, F32},
	}
}

var (
	headsSpans = []Span{{0, 3, 5, 0}, {3, 4, 0, 1}}
	headsPages = Pages{Table: [][]int32{{2, 0}, {1}}, Shift: 2}
)

const headsSlots = 12

type headsData struct {
	q, k, v                 host
	gq, bq, gk, bk          []float32
	sine, cosine, frequency []float32
	rows, positions         int
}

func (c headsCase) data() (d headsData) {
	w := c.g.Width
	d.rows, d.positions = 7, 8
	d.q = random(c.in, d.rows, c.g.Query*w, c.g.Query*w+5, 1, 1)
	d.k = random(c.in, d.rows, c.g.KV*w, c.g.KV*w+1, 1, 2)
	d.v = random(c.in, d.rows, c.g.KV*w, c.g.KV*w, 1, 3)
	d.gq, d.bq = vector(w, 1, 0.1, 4), vector(w, 0, 0.5, 5)
	d.gk, d.bk = vector(w, 1, 0.1, 6), vector(w, 0, 0.5, 7)
	for j := range c.pairs {
		d.frequency = append(d.frequency, float32(math.Pow(100, -float64(j)/float64(c.pairs))))
	}
	for p := range d.positions {
		for _, f := range d.frequency {
			sin, cos := math.Sincos(float64(float32(p) * f))
			d.sine, d.cosine = append(d.sine, float32(sin)), append(d.cosine, float32(cos))
		}
	}
	return d
}

// run returns queries, keys and values, in the places of the cache, and what was
// looked at.
func (c headsCase) run(b *bench) []float32 {
	d := c.data()
	pitch := c.g.Pitch()
	table := func(values []float32) Matrix {
		if c.pairs == 0 {
			return Matrix{}
		}
		return b.put0(F32, values, d.positions, c.pairs)
	}
	h := Heads{Geometry: c.g, Rotation: Rotation{table(d.sine), table(d.cosine), c.interleaved, c.step}, Eps: 1e-5, Round: c.round, Scale: 0.37}
	if c.norm {
		h.GammaQ, h.BetaQ, h.GammaK, h.BetaK = b.vector(d.gq), b.vector(d.bq), b.vector(d.gk), b.vector(d.bk)
	}
	h.Position, h.Slot = b.ints(Positions(headsSpans)), b.ints(headsPages.Slots(headsSpans))
	h.QPlain = b.fresh(F32, d.rows, c.g.Query*c.g.Width, c.g.Query*c.g.Width)
	h.KPlain = b.fresh(F32, d.rows, c.g.KV*c.g.Width, c.g.KV*c.g.Width)
	h.QTurned = b.fresh(F32, d.rows, c.g.Query*c.g.Width, c.g.Query*c.g.Width)
	q := b.fresh(c.out, d.rows, c.g.Query*pitch, c.g.Query*pitch)
	cache := Cache{b.put0(c.out, make([]float32, headsSlots*c.g.KV*pitch), headsSlots, c.g.KV*pitch), b.put0(c.out, make([]float32, headsSlots*c.g.KV*pitch), headsSlots, c.g.KV*pitch)}
	b.must(b.o.Heads(q, cache, b.put(d.q), b.put(d.k), b.put(d.v), h))
	var all []float32
	for _, m := range []Matrix{q, cache.K, cache.V, h.QPlain, h.KPlain, h.QTurned} {
		all = append(all, b.get(m)...)
	}
	return all
}

// head returns one head of a row after the norm, and after the rotation.
func (c headsCase) head(x []float32, gamma, beta []float32, sine, cosine []float32) (plain, turned []estimate) {
	mean, variance, n := 0.0, 0.0, float64(len(x))
	for _, v := range x {
		mean += float64(v) / n
	}
	for _, v := range x {
		variance += (float64(v) - mean) * (float64(v) - mean) / n
	}
	for i, v := range x {
		e := estimate{value: float64(v)}
		if c.norm {
			y := (e.value - mean) / math.Sqrt(variance+1e-5)
			e = estimate{y, 16 * unit(F32) * (math.Abs(y) + 1)}.times(float64(gamma[i])).plus(float64(beta[i]))
		}
		plain = append(plain, e)
	}
	turned = append(turned, plain...)
	for j := range c.pairs {
		a, b := j, j+c.pairs
		if c.interleaved {
			a, b = 2*j, 2*j+1
		}
		turned[a], turned[b] = c.turn(plain[a], plain[b], float64(sine[j]), float64(cosine[j]))
	}
	return plain, turned
}

func (c headsCase) turn(x, y estimate, sin, cos float64) (a, b estimate) {
	bound := (x.err + y.err) + 4*max(unit(c.step), unit(F32))*(math.Abs(x.value)+math.Abs(y.value))
	return estimate{x.value*cos - y.value*sin, bound}, estimate{y.value*cos + x.value*sin, bound}
}

func (c headsCase) oracle() []estimate {
	d, pitch, w := c.data(), c.g.Pitch(), c.g.Width
	q := make([]estimate, d.rows*c.g.Query*pitch)
	k, v := make([]estimate, headsSlots*c.g.KV*pitch), make([]estimate, headsSlots*c.g.KV*pitch)
	var qPlain, kPlain, qTurned []estimate
	positions, slots := Positions(headsSpans), headsPages.Slots(headsSpans)
	for r := range d.rows {
		at := int(positions[r]) * c.pairs
		sine, cosine := d.sine[at:at+c.pairs], d.cosine[at:at+c.pairs]
		for h := range c.g.Query {
			plain, turned := c.head(d.q.row(r)[h*w:(h+1)*w], d.gq, d.bq, sine, cosine)
			qPlain, qTurned = append(qPlain, plain...), append(qTurned, turned...)
			for i, e := range turned {
				q[(r*c.g.Query+h)*pitch+i] = e.rounded(c.round).times(0.37).rounded(c.out)
			}
		}
		for h := range c.g.KV {
			plain, turned := c.head(d.k.row(r)[h*w:(h+1)*w], d.gk, d.bk, sine, cosine)
			kPlain = append(kPlain, plain...)
			for i, e := range turned {
				k[(int(slots[r])*c.g.KV+h)*pitch+i] = e.rounded(c.out)
				v[(int(slots[r])*c.g.KV+h)*pitch+i] = estimate{value: d.v.at(r, h*w+i)}.rounded(c.out)
			}
		}
	}
	var want []estimate
	for _, part := range [][]estimate{q, k, v, qPlain, kPlain, qTurned} {
		want = append(want, part...)
	}
	return want
}

func TestHeads(t *testing.T) {
	for _, c := range headsCases() {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) { check(t, inEveryOrder(t, c.run), c.oracle()) })
	}
}

// TestRotaryTable compares with float64's sine and cosine of the fp32 angle.
func TestRotaryTable(t *testing.T) {
	const positions, pairs = 3000, 3
	frequency := []float32{1, 0.3, 1e-4}
	got := inEveryOrder(t, func(b *bench) []float32 {
		sine, cosine := b.fresh(F32, positions, pairs, pairs), b.fresh(F32, positions, pairs, pairs)
		b.must(b.o.RotaryTable(sine, cosine, b.vector(frequency)))
		return append(b.get(sine), b.get(cosine)...)
	})
	for i := range positions * pairs {
		sin, cos := math.Sincos(float64(float32(i/pairs) * frequency[i%pairs]))
		if got[i] != float32(sin) || got[positions*pairs+i] != float32(cos) {
			t.Fatalf("position %d, pair %d: %v and %v, wanted %v and %v", i/pairs, i%pairs, got[i], got[positions*pairs+i], float32(sin), float32(cos))
		}
	}
}
