package ops

import (
	"fmt"
	"math"
	"testing"

	"colakit/kernels/device/devicetest"
	"colakit/kernels/emulated"
)

// attentionCase is a pass over sequences in a paged cache.
type attentionCase struct {
	name   string
	typ    Type
	g      Geometry
	spans  []Span
	block  int
	shift  int // of pages
	round  Type
	scores bool
	wide   bool // the result is F32, so that all of its bits are seen
}

func (c attentionCase) rows() (n int) {
	for _, s := range c.spans {
		n += s.Queries
	}
	return n
}

// pages deals out pages backwards, the sequences by turns; page 0 belongs to nobody.
func (c attentionCase) pages() Pages {
	p := Pages{Table: make([][]int32, len(c.spans)), Shift: c.shift}
	next := int32(64)
	for again := true; again; {
		again = false
		for _, s := range c.spans {
			if len(p.Table[s.Sequence])<<c.shift < s.Keys() {
				next--
				p.Table[s.Sequence] = append(p.Table[s.Sequence], next)
				again = true
			}
		}
	}
	return p
}

// data are the queries of every row, and the keys and values of every sequence, all
// heads in a row without padding.
type attentionData struct{ q, k, v []host }

func (c attentionCase) data() (d attentionData) {
	for _, s := range c.spans {
		seed := uint64(10*s.Sequence + 1)
		d.q = append(d.q, random(c.typ, s.Queries, c.g.Query*c.g.Width, c.g.Query*c.g.Width, 1/float32(math.Sqrt(float64(c.g.Width))), seed))
		d.k = append(d.k, random(c.typ, s.Keys(), c.g.KV*c.g.Width, c.g.KV*c.g.Width, 1.5, seed+1))
		d.v = append(d.v, random(c.typ, s.Keys(), c.g.KV*c.g.Width, c.g.KV*c.g.Width, 1, seed+2))
	}
	return d
}

// pitched copies rows of heads into rows of padded heads.
func pitched(dst []float32, src []float32, heads, width, pitch int) {
	for h := range heads {
		clear(dst[h*pitch : (h+1)*pitch])
		copy(dst[h*pitch:], src[h*width:(h+1)*width])
	}
}

// upload returns the queries and the cache. Rows that belong to nobody are NaN.
func (c attentionCase) upload(b *bench, d attentionData) (q Matrix, cache Cache) {
	pitch, pages := c.g.Pitch(), c.pages()
	queries := make([]float32, c.rows()*c.g.Query*pitch)
	pool := [2][]float32{}
	width := c.g.KV * pitch
	for i := range pool {
		pool[i] = make([]float32, 64<<c.shift*width)
		for j := range pool[i] {
			pool[i][j] = float32(math.NaN())
		}
	}
	for i, s := range c.spans {
		for r := range s.Queries {
			pitched(queries[(s.Row+r)*c.g.Query*pitch:], d.q[i].row(r), c.g.Query, c.g.Width, pitch)
		}
		for j := range s.Keys() {
			row := int(pages.row(s.Sequence, j))
			pitched(pool[0][row*width:], d.k[i].row(j), c.g.KV, c.g.Width, pitch)
			pitched(pool[1][row*width:], d.v[i].row(j), c.g.KV, c.g.Width, pitch)
		}
	}
	q = b.put0(c.typ, queries, c.rows(), c.g.Query*pitch)
	cache.K = b.put0(c.typ, pool[0], len(pool[0])/width, width)
	cache.V = b.put0(c.typ, pool[1], len(pool[1])/width, width)
	return q, cache
}

// put0 uploads a matrix to the start of a buffer.
func (b *bench) put0(t Type, values []float32, rows, cols int) Matrix {
	return MatrixOf(devicetest.Put(b, b.o.device, encoded(t, values)), t, rows, cols)
}

func (c attentionCase) run(b *bench) []float32 {
	q, cache := c.upload(b, c.data())
	table := c.pages().Flat(0)
	a := Attention{Geometry: c.g, Tiles: b.ints(AttentionTiles(c.spans, c.block)), PageShift: c.shift, Round: c.round}
	a.Pages = Matrix{Buffer: devicetest.Put(b, b.o.device, table), Type: I32, Rows: len(c.spans), Cols: len(table) / len(c.spans), Stride: len(table) / len(c.spans)}
	keys := 0
	for _, s := range c.spans {
		keys += s.Keys()
		a.Keys = max(a.Keys, s.Keys())
	}
	if c.scores {
		a.Scores = b.put0(F32, make([]float32, c.g.Query*c.rows()*keys), c.g.Query*c.rows(), keys)
	}
	out := c.typ
	if c.wide {
		out = F32
	}
	y := b.fresh(out, c.rows(), c.g.Query*c.g.Width, c.g.Query*c.g.Width+3)
	b.must(b.o.Attention(y, q, cache, a))
	if c.scores {
		return b.get(a.Scores)
	}
	return b.get(y)
}

// visible returns how many keys a query of a span sees.
func (c attentionCase) visible(s Span, q int) int {
	if c.block == 0 {
		return s.Keys()
	}
	return min(s.Keys(), ((s.Cached+q)/c.block+1)*c.block)
}

// scoresOf returns the scores of one query's visible keys for a head.
func (c attentionCase) scoresOf(d attentionData, i, q, head int) []estimate {
	s, w, kv := c.spans[i], c.g.Width, head*c.g.KV/c.g.Query
	scores := make([]estimate, c.visible(s, q))
	for j := range scores {
		size := 0.0
		for ch := range w {
			p := d.q[i].at(q, head*w+ch) * d.k[i].at(j, kv*w+ch)
			scores[j].value += p
			size += math.Abs(p)
		}
		scores[j].err = size * (2 + math.Sqrt(float64(w))) * unit(F32)
		scores[j] = scores[j].rounded(c.round)
	}
	return scores
}

func (c attentionCase) oracle() []estimate {
	d := c.data()
	var want []estimate
	for i, s := range c.spans {
		for q := range s.Queries {
			for head := range c.g.Query {
				want = append(want, c.mix(d, i, head, c.scoresOf(d, i, q, head))...)
			}
		}
	}
	return want
}

// mix returns softmax(scores)·V.
func (c attentionCase) mix(d attentionData, i, head int, scores []estimate) []estimate {
	w, kv := c.g.Width, head*c.g.KV/c.g.Query
	top, worst, sum := math.Inf(-1), 0.0, 0.0
	for _, s := range scores {
		top, worst = math.Max(top, s.value), math.Max(worst, s.err)
	}
	for _, s := range scores {
		sum += math.Exp(s.value - top)
	}
	out := make([]estimate, w)
	for ch := range out {
		size := 0.0
		for j, s := range scores {
			p := math.Exp(s.value-top) / sum * d.v[i].at(j, kv*w+ch)
			out[ch].value += p
			size += math.Abs(p)
		}
		// scores err by worst, so do the logarithms of the weights and of their sum; weights are rounded to the values' type
		relative := 2*worst + unit(c.typ) + (16+math.Sqrt(float64(len(scores))))*unit(F32)
		out[ch] = estimate{out[ch].value, size*relative + 1e-7}.rounded(c.typ)
	}
	return out
}

func attentionCases() []attentionCase {
	// two sequences with a cache, one that starts, one longer than a block, and one without rows
	spans := []Span{{0, 4, 8, 0}, {4, 4, 0, 1}, {8, 12, 4, 2}, {20, 0, 4, 3}, {20, 4, 76, 4}}
	// of three parts, of two with a tail of two keys, and of one
	long := []Span{{0, 4, 380, 0}, {4, 20, 110, 1}, {24, 16, 0, 2}}
	var cases []attentionCase
	for _, typ := range []Type{BF16, F16, F32} {
		round := typ
		if typ == F16 {
			round = F32
		}
		cases = append(cases,
			attentionCase{typ: typ, g: Geometry{4, 4, 32}, spans: spans, block: 4, shift: 3, round: round},
			attentionCase{typ: typ, g: Geometry{4, 2, 20}, spans: spans, block: 4, shift: 2, round: round},
			attentionCase{typ: typ, g: Geometry{2, 2, 72}, spans: []Span{{0, 40, 0, 0}}, block: 16, shift: 4, round: round},
			attentionCase{typ: typ, g: Geometry{2, 1, 128}, spans: []Span{{0, 16, 16, 0}, {16, 5, 0, 1}}, block: 0, shift: 4, round: round},
			attentionCase{typ: typ, g: Geometry{1, 1, 200}, spans: []Span{{0, 16, 32, 0}}, block: 16, shift: 5, round: round},
			attentionCase{typ: typ, g: Geometry{2, 2, 6}, spans: []Span{{0, 20, 3, 0}}, block: 5, shift: 0, round: round},
			attentionCase{typ: typ, g: Geometry{2, 1, 40}, spans: long, block: 4, shift: 4, round: round},
			attentionCase{typ: typ, g: Geometry{1, 1, 72}, spans: long, block: 4, shift: 4, round: round},
			attentionCase{typ: typ, g: Geometry{1, 1, 136}, spans: long, block: 4, shift: 4, round: round},
		)
	}
	for i := range cases {
		c := &cases[i]
		c.name = fmt.Sprintf("%v %+v, %d spans, blocks of %d", c.typ, c.g, len(c.spans), c.block)
	}
	return cases
}

func TestAttention(t *testing.T) {
	for _, c := range attentionCases() {
		t.Run(c.name, func(t *testing.T) {
			check(t, c.run(newBench(t, emulated.Options{})), c.oracle())
			c.wide = true
			whole := inEveryOrder(t, c.whole)
			check(t, whole, c.oracle())
			same(t, inEveryOrder(t, c.apart), whole)
		})
	}
}

// whole has one block take all keys, apart one each of their parts.
func (c attentionCase) whole(b *bench) []float32 {
	b.o.splitBlocks = 0
	return c.run(b)
}

func (c attentionCase) apart(b *bench) []float32 {
	b.o.splitParts, b.o.splitBlocks = 1, math.MaxInt
	return c.run(b)
}

// TestAttentionScores expects the visible scores, and zeros where nothing was
// written.
func TestAttentionScores(t *testing.T) {
	for _, c := range attentionCases() {
		c.scores = true
		t.Run(c.name, func(t *testing.T) {
			d, keys := c.data(), 0
			for _, s := range c.spans {
				keys += s.Keys()
			}
			want := make([]estimate, c.g.Query*c.rows()*keys)
			key := 0
			for i, s := range c.spans {
				for q := range s.Queries {
					for head := range c.g.Query {
						copy(want[(head*c.rows()+s.Row+q)*keys+key:], c.scoresOf(d, i, q, head))
					}
				}
				key += s.Keys()
			}
			check(t, inEveryOrder(t, c.whole), want)
			check(t, inEveryOrder(t, c.apart), want)
		})
	}
}

// TestAttentionOfAnyBatch expects the same bits for a sequence alone and among
// others.
func TestAttentionOfAnyBatch(t *testing.T) {
	for _, c := range attentionCases() {
		b := newBench(t, emulated.Options{})
		all, width := c.run(b), c.g.Query*c.g.Width
		for i, s := range c.spans {
			if s.Queries == 0 {
				continue
			}
			alone := c
			alone.spans = []Span{{0, s.Queries, s.Cached, 0}}
			got := attentionOf(b, alone, c.data().only(i))
			same(t, got, all[s.Row*width:(s.Row+s.Queries)*width])
		}
	}
}

func (d attentionData) only(i int) attentionData {
	return attentionData{d.q[i : i+1], d.k[i : i+1], d.v[i : i+1]}
}

// attentionOf runs a case of one span on the data given.
func attentionOf(b *bench, c attentionCase, d attentionData) []float32 {
	q, cache := c.upload(b, d)
	table := c.pages().Flat(0)
	y := b.fresh(c.typ, c.rows(), c.g.Query*c.g.Width, c.g.Query*c.g.Width)
	a := Attention{Geometry: c.g, Tiles: b.ints(AttentionTiles(c.spans, c.block)), PageShift: c.shift, Round: c.round}
	a.Pages = Matrix{Buffer: devicetest.Put(b, b.o.device, table), Type: I32, Rows: 1, Cols: len(table), Stride: len(table)}
	b.must(b.o.Attention(y, q, cache, a))
	return b.get(y)
}

// TestAttentionPlan expects blocks for parts where there is nothing else to do.
func TestAttentionPlan(t *testing.T) {
	b := newBench(t, emulated.Options{})
	b.o.part.Bytes = 64 << 20
	for _, c := range []struct {
		reason             string
		tiles, width, keys int
		typ                Type
		parts, z           int
	}{
		{"one sequence and its unconditional twin", 2, 128, 1000, BF16, 8, 8},
		{"few keys", 2, 128, 256, BF16, 1, 1},
		{"nobody knows the keys", 2, 128, 0, BF16, 1, 1},
		{"many sequences", 17, 128, 1000, BF16, 1, 1},
		{"wide heads", 2, 256, 1000, F16, 8, 16},
		{"more keys than there is room for", 2, 128, 1 << 20, F16, 1, 1},
		{"float32", 2, 128, 1000, F32, 1, 1},
	} {
		p := b.o.attentionPlan(Attention{Geometry: Geometry{Query: 16, KV: 16, Width: c.width}, Keys: c.keys}, c.typ, c.tiles)
		if p.parts != c.parts || int(p.shape.Grid.Z) != c.z {
			t.Errorf("%s: %d parts, %d blocks deep; wanted %d, %d", c.reason, p.parts, p.shape.Grid.Z, c.parts, c.z)
		}
	}
}
