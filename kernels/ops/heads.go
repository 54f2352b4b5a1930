package ops

import (
	"colakit/kernels/device"
)

// Geometry is the shape of an attention layer.
type Geometry struct {
	Query, KV int // heads; every Query/KV query heads share a key and value head
	Width     int // channels of a head
}

// Pitch returns the channels from one head to the next in queries and caches: the
// width, rounded up to 8, the rest being 0.
func (g Geometry) Pitch() int { return ceil(g.Width, 8) * 8 }

func (g Geometry) check(c *checker) {
	c.require(g.Width > 0 && g.KV > 0 && g.Query > 0 && g.Query%max(g.KV, 1) == 0,
		"%d query heads and %d key and value heads of %d channels", g.Query, g.KV, g.Width)
}

// Cache holds the keys, rotated, and the values of one layer, [rows, KV·Pitch] each,
// of one type, for all sequences; see Pages.
type Cache struct {
	K, V Matrix
}

func (k Cache) check(c *checker, g Geometry, t Type) {
	for _, m := range []Matrix{k.K, k.V} {
		c.matrix("cache", m, k.K.Rows, g.KV*g.Pitch())
		c.require(m.Type == t && m.Stride == m.Cols, "a cache of type %v with rows of %d elements, %d apart; wanted %v without gaps", m.Type, m.Cols, m.Stride, t)
	}
}

// Rotation turns pairs of channels: pair j of position i by the angle of Sine and
// Cosine [positions, pairs], both F32 and without gaps; none: nothing turns.
type Rotation struct {
	Sine, Cosine Matrix
	Interleaved  bool // pairs (2j, 2j+1); else (j, j+pairs)
	Step         Type // sines, cosines, products and sums are rounded to it; F32: not
}

// Heads says how projections become what attention reads.
type Heads struct {
	Geometry
	Rotation
	Eps                          float32
	GammaQ, BetaQ, GammaK, BetaK Vector  // F32, [Width]: LayerNorm of each head; none: no norm
	Round                        Type    // the rotated query is rounded to it before it is scaled
	Scale                        float32 // of the query: 1/√Width
	QPlain, KPlain, QTurned      Matrix  // F32, [rows, heads·Width], if somebody looks: before and after the rotation
	Position, Slot               Vector  // I32, [rows]: of each row in its sequence, and in the cache
}

// Heads normalises, turns and scales queries and keys: q [rows, Query·Width], k and v
// [rows, KV·Width] of one type into qOut [rows, Query·Pitch] and into the rows Slot of
// the cache, all of one type. Positions and slots out of range are not noticed.
func (o *Ops) Heads(qOut Matrix, cache Cache, q, k, v Matrix, h Heads) error {
	c := &checker{op: "heads"}
	h.Geometry.check(c)
	rows, pairs := qOut.Rows, h.Sine.Cols
	c.matrix("q", q, rows, h.Query*h.Width)
	c.matrix("k", k, rows, h.KV*h.Width)
	c.matrix("v", v, rows, h.KV*h.Width)
	c.require(q.Type == k.Type && q.Type == v.Type, "q, k and v are %v, %v and %v", q.Type, k.Type, v.Type)
	c.matrix("scaled q", qOut, rows, h.Query*h.Pitch())
	c.require(qOut.Stride == qOut.Cols, "scaled q has gaps")
	cache.check(c, h.Geometry, qOut.Type)
	h.checkVectors(c, rows)
	h.checkLooks(c, rows)
	c.require(2*pairs <= h.Width, "%d pairs of %d channels", pairs, h.Width)
	c.require(h.Interleaved || 2*pairs == h.Width, "half-split pairs turn all channels: %d pairs of %d", pairs, h.Width)
	if c.err != nil || rows == 0 {
		return c.err
	}
	shape := device.Launch{
		Grid: device.D(ceil(rows*(h.Query+2*h.KV), 4)), Block: device.D(128), Shared: 4 * 4 * h.Width,
	}
	return o.launch("heads", shape,
		qOut, cache.K, cache.V, qOut.Type, h.Pitch(), q, k, v, q.Type, q.Stride, k.Stride, v.Stride,
		rows, h.Query, h.KV, h.Width, h.Eps, h.GammaQ, h.BetaQ, h.GammaK, h.BetaK, h.Sine, h.Cosine, pairs,
		flag(h.Interleaved), h.Step, h.Round, h.Scale, h.Position, h.Slot, h.QPlain, h.KPlain, h.QTurned)
}

func (h Heads) checkVectors(c *checker, rows int) {
	c.require(h.Sine.none() == h.Cosine.none(), "sines and cosines come together")
	c.optional("sines", h.Sine, h.Sine.Rows, h.Sine.Cols)
	c.optional("cosines", h.Cosine, h.Sine.Rows, h.Sine.Cols)
	for _, m := range []Matrix{h.Sine, h.Cosine} {
		c.require(m.Type == F32 && m.Stride == m.Cols, "sines and cosines are f32 without gaps")
	}
	c.vector("positions", h.Position, I32, rows)
	c.vector("slots", h.Slot, I32, rows)
	for _, v := range []Vector{h.GammaQ, h.BetaQ, h.GammaK, h.BetaK} {
		c.require(v.none() == h.GammaQ.none(), "all of gammas and betas, or none")
		c.optionalVector("gamma or beta", v, F32, h.Width)
	}
	c.require(h.Round.float() && h.Step.float(), "rounding to %v and %v", h.Round, h.Step)
}

func (h Heads) checkLooks(c *checker, rows int) {
	for _, m := range []Matrix{h.QPlain, h.KPlain, h.QTurned} {
		c.require(m.none() || m.Type == F32 && m.Stride == m.Cols, "what is looked at is f32 without gaps")
	}
	c.optional("plain q", h.QPlain, rows, h.Query*h.Width)
	c.optional("plain k", h.KPlain, rows, h.KV*h.Width)
	c.optional("turned q", h.QTurned, rows, h.Query*h.Width)
}

// RotaryTable computes the sines and cosines of position·frequency, [positions,
// pairs], angles being products in fp32.
func (o *Ops) RotaryTable(sine, cosine Matrix, frequency Vector) error {
	c := &checker{op: "rotary table"}
	for _, m := range []Matrix{sine, cosine} {
		c.matrix("table", m, sine.Rows, sine.Cols)
		c.require(m.Type == F32 && m.Stride == m.Cols, "the tables are f32 without gaps")
	}
	c.vector("frequencies", frequency, F32, sine.Cols)
	if c.err != nil || sine.Rows == 0 {
		return c.err
	}
	return o.launch("rotary_table", flat(sine.Rows*sine.Cols), sine, cosine, frequency, sine.Cols, sine.Rows)
}
