package operation

import (
	"math"
)

// heads is the geometry of an attention: queries of all heads share one key and
// value head, or have one each.
type heads struct{ query, kv, width int }

func (h heads) ofKV(head int) int {
	if h.kv == 1 {
		return 0
	}
	return head
}

// channel returns the column of channel c of a head of n.
func (f *form) channel(head, c, n, width int) int {
	if f.attending.alternate {
		return c*n + head
	}
	return head*width + c
}

// scores returns [heads·R, Lk], 0 where the mask forbids:
//
//	s[h,r,k] = Σ_c (q[r,h,c]/√d)·k[k,h,c]
//
// Under the released contract q, the scaled q, k and s are rounded to bfloat16.
func (e *evaluation) scores(f *form, h heads, g geometry, q, k matrix) matrix {
	if e.err != nil {
		return matrix{}
	}
	divisor := f.divisor
	if divisor == 0 {
		divisor = float64(h.width)
	}
	scale := math.Pow(divisor, -f.power)
	before, after := scale, 1.0
	if f.attending.late {
		before, after = 1, scale
	}
	q = q.each(f.operand).each(func(x float64) float64 { return f.step(x * before) })
	k = k.each(f.operand)
	y := newMatrix(h.query*g.rows, g.keys)
	f.eachPair(g, func(r, key int) {
		for head := range h.query {
			sum := 0.0
			for c := range h.width {
				sum += q.row(r)[f.channel(head, c, h.query, h.width)] * k.row(key)[f.channel(h.ofKV(head), c, h.kv, h.width)]
			}
			y.row(head*g.rows + r)[key] = sum * after
		}
	})
	return f.hold(y, e.released())
}

// eachPair calls fn for every row and every key that it sees.
func (f *form) eachPair(g geometry, fn func(row, key int)) {
	for _, s := range g.spans {
		for q := range s.queries {
			for i := range s.keys() {
				if f.sees(g, s, q, i) {
					fn(s.first+q, s.firstKey+i)
				}
			}
		}
	}
}

// sees reports whether a query of a span sees a key of the same span.
func (f *form) sees(g geometry, s span, query, key int) bool {
	if f.size > 0 {
		g.block = f.size
	}
	if f.uncommitted && key >= s.prefix && key < s.cached {
		return false
	}
	switch {
	case f.mask == "none" || g.block == 0:
		return true
	case f.mask == "causal":
		return key <= s.cached+query
	case f.mask == "alone":
		return key/g.block == (s.cached+query)/g.block
	}
	return key/g.block <= (s.cached+query)/g.block+f.blocks
}

// attend returns softmax(scores)·v over what each row sees, [R, heads·width]. The
// softmax is float32; its weights, v and the result are rounded to bfloat16 under
// the released contract.
func (e *evaluation) attend(f *form, h heads, g geometry, scores, v matrix) matrix {
	if e.err != nil {
		return matrix{}
	}
	v = v.each(f.operand)
	y := newMatrix(g.rows, h.query*h.width)
	for _, s := range g.spans {
		for q := range s.queries {
			for head := range h.query {
				weights := f.softmax(g, s, q, scores.row(head*g.rows + s.first + q)[s.firstKey:s.firstKey+s.keys()])
				for i, w := range weights {
					if w == 0 {
						continue
					}
					for c := range h.width {
						y.row(s.first + q)[f.channel(head, c, h.query, h.width)] += w * v.row(s.firstKey + i)[f.channel(h.ofKV(head), c, h.kv, h.width)]
					}
				}
			}
		}
	}
	return f.hold(y, e.released())
}

// softmax returns the weights of the keys of one sample.
func (f *form) softmax(g geometry, s span, query int, scores []float64) []float64 {
	weights, top, sum := make([]float64, len(scores)), math.Inf(-1), 0.0
	for i, x := range scores {
		if f.leak || f.sees(g, s, query, i) {
			top = math.Max(top, x)
		}
	}
	for i, x := range scores {
		if f.leak || f.sees(g, s, query, i) {
			weights[i] = math.Exp(x - top)
			sum += weights[i]
		}
	}
	for i := range weights {
		if sum > 0 || sum != sum {
			weights[i] = f.weights(weights[i] / sum)
		}
	}
	return weights
}

// all returns the keys or values of a pass: of every sample the cached rows, then
// those of the pass.
func (e *evaluation) all(f *form, path string, g geometry, fresh matrix) matrix {
	if e.err != nil {
		return matrix{}
	}
	cached := e.cachedRows(path, g, fresh.cols)
	if e.err != nil {
		return matrix{}
	}
	out := newMatrix(g.keys, fresh.cols)
	out.bf16 = fresh.bf16
	first := 0
	for _, s := range g.spans {
		for i := range s.keys() {
			if i < s.cached {
				if at := f.cachedRow(e, g, s, first, i); at >= 0 {
					copy(out.row(s.firstKey+i), cached.row(at))
				}
				continue
			}
			copy(out.row(s.firstKey+i), fresh.row(s.first+i-s.cached))
		}
		first += s.cached
	}
	return out
}

// cachedRows returns the rows that the call found in the cache, [Σ cached, cols].
func (e *evaluation) cachedRows(path string, g geometry, cols int) matrix {
	rows := g.keys - g.rows
	if rows == 0 {
		return newMatrix(0, cols)
	}
	return e.external(Cached(path), rows, cols)
}

// cachedRow returns the row of the cache that stands in for row i of a span whose
// own begin at first; −1 for zeros.
func (f *form) cachedRow(e *evaluation, g geometry, s span, first, i int) int {
	prefix := e.Run.Samples[s.sample].Prefix
	switch {
	case f.empty:
		return -1
	case f.stale && i >= prefix && prefix > 0:
		return first + i%prefix
	case f.other:
		return f.otherRow(g, s, i)
	}
	if i += f.caching.late; i < 0 || i >= s.cached {
		return -1
	}
	return first + i
}

// otherRow is cachedRow in the cache of the next sample.
func (f *form) otherRow(g geometry, s span, i int) int {
	first, n := 0, len(g.spans)
	next := (s.sample + 1) % n
	for _, o := range g.spans[:next] {
		first += o.cached
	}
	if i >= g.spans[next].cached {
		return -1
	}
	return first + i
}
