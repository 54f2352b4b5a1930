package reference

import (
	"math"
)

// heads is the geometry of an attention layer.
type heads struct {
	query, kv int // kv: 1, all query heads share it, or as many as query
	width     int // channels of one head
}

// ofKV returns the key and value head that query head h reads.
func (g heads) ofKV(h int) int {
	if g.kv == 1 {
		return 0
	}
	return h
}

// attend returns softmax(q·scale·Kᵀ)·V over what each query sees, [R, query·width],
// given rotated q [R, query·width], rotated k and v [Lk, kv·width]. Only visible
// pairs are computed. It shows the scores as module+"scores" [query, R, Lk]; where
// nobody wants them, few are in memory at a time.
func attend[T number](p *pass[T], g heads, module string, q, k, v value[T]) value[T] {
	q = p.narrow(q)
	q = p.round(value[T]{timesScalar(q.m, 1/math.Sqrt(float64(g.width))), q.bf16})
	a := newAttention(p, g, q, p.narrow(k), p.narrow(v))
	if !p.wants(module, "scores") {
		a.eachHead(a.scoreAndMix)
		return a.out
	}
	a.keepScores()
	a.eachHead(a.scoreHead)
	a.seeScores(module)
	a.eachHead(a.mixHead)
	return a.out
}

// attention is the state of one call of attend.
type attention[T number] struct {
	p       *pass[T]
	g       heads
	q, k, v value[T]
	parts   []part
	scores  []T // visible pairs only, if they are kept; see part
	out     value[T]
}

// part is one span: its groups, and where its scores lie: those of head h start
// at offset + h·size, group after group, each [queries, visible].
type part struct {
	span
	groups       []group
	offset, size int
	largest      int // scores of one group, at most
}

// scoresAtOnce bounds the scores of one group: 16 MiB of float32 numbers.
const scoresAtOnce = 4 << 20

func newAttention[T number](p *pass[T], g heads, q, k, v value[T]) *attention[T] {
	a := &attention[T]{p: p, g: g, q: q, k: k, v: v}
	total := 0
	for _, s := range p.layout.spans {
		one := part{span: s, groups: split(p.layout.groups(s), scoresAtOnce), offset: total}
		for _, r := range one.groups {
			one.size += r.queries * r.visible
			one.largest = max(one.largest, r.queries*r.visible)
		}
		total += g.query * one.size
		a.parts = append(a.parts, one)
	}
	a.out = value[T]{newMatrix[T](q.rows(), q.cols()), p.released}
	return a
}

// split cuts groups into such of at most limit pairs, or of one query.
func split(groups []group, limit int) []group {
	var cut []group
	for _, r := range groups {
		step := max(1, limit/r.visible)
		for q := 0; q < r.queries; q += step {
			cut = append(cut, group{r.first + q, min(step, r.queries-q), r.visible})
		}
	}
	return cut
}

// total returns the number of visible pairs, over all heads.
func (a *attention[T]) total() int {
	n := 0
	for _, s := range a.parts {
		n += a.g.query * s.size
	}
	return n
}

func (a *attention[T]) keepScores() { a.scores = make([]T, a.total()) }

// eachHead calls fn for every head of every span.
func (a *attention[T]) eachHead(fn func(s part, head int)) {
	n := len(a.parts) * a.g.query
	if n == 0 {
		return
	}
	cost := a.total() / n * 2 * a.g.width
	spread(a.p.workers, n, cost, func(from, to int) {
		for i := from; i < to; i++ {
			fn(a.parts[i/a.g.query], i%a.g.query)
		}
	})
}

// scoreHead computes and keeps the scores of one head.
func (a *attention[T]) scoreHead(s part, head int) {
	scores := a.scoresOf(s, head)
	for _, r := range s.groups {
		n := r.queries * r.visible
		a.score(s, head, r, scores[:n])
		scores = scores[n:]
	}
}

// mixHead computes the results of one head from the scores that were kept.
func (a *attention[T]) mixHead(s part, head int) {
	scores, vT := a.scoresOf(s, head), a.transposedV(s, head)
	for _, r := range s.groups {
		n := r.queries * r.visible
		a.mix(s, head, r, scores[:n], vT)
		scores = scores[n:]
	}
}

// scoreAndMix computes the results of one head, with the scores of one group at a
// time.
func (a *attention[T]) scoreAndMix(s part, head int) {
	scores, vT := make([]T, s.largest), a.transposedV(s, head)
	for _, r := range s.groups {
		if a.p.ctx.Err() != nil {
			return // the pass reports it
		}
		n := r.queries * r.visible
		a.score(s, head, r, scores[:n])
		a.mix(s, head, r, scores[:n], vT)
	}
}

// score computes q·Kᵀ for the visible pairs of a group, [queries, visible].
func (a *attention[T]) score(s part, head int, r group, scores []T) {
	w, from, kvFrom := a.g.width, head*a.g.width, a.g.ofKV(head)*a.g.width
	k := a.k.data()[s.firstKey*a.k.cols()+kvFrom:]
	q := a.q.data()[(s.first+r.first)*a.q.cols()+from:]
	multiply(scores, r.visible, q, a.q.cols(), k, a.k.cols(), r.queries, r.visible, w, 1)
	a.round(scores)
}

// mix turns the scores of a group into weights and computes weights·V.
func (a *attention[T]) mix(s part, head int, r group, scores, vT []T) {
	w, cols := a.g.width, a.out.cols()
	for q := range r.queries {
		softmax(scores[q*r.visible : (q+1)*r.visible])
	}
	a.round(scores)
	out := a.out.data()[(s.first+r.first)*cols+head*w:]
	multiply(out, cols, scores, r.visible, vT, s.keys(), r.queries, w, r.visible, 1)
	for q := range r.queries {
		a.round(a.out.row(s.first + r.first + q)[head*w : (head+1)*w])
	}
}

// scoresOf returns the visible scores of one head, group after group.
func (a *attention[T]) scoresOf(s part, head int) []T {
	return a.scores[s.offset+head*s.size:][:s.size]
}

// transposedV returns a head's values as [width, keys].
func (a *attention[T]) transposedV(s part, head int) []T {
	w, n, from := a.g.width, s.keys(), a.g.ofKV(head)*a.g.width
	out := make([]T, w*n)
	for j := range n {
		for c, x := range a.v.row(s.firstKey + j)[from : from+w] {
			out[c*n+j] = x
		}
	}
	return out
}

// round rounds a product's results where the contract does.
func (a *attention[T]) round(values []T) {
	if a.out.bf16 {
		roundBF16(values)
	}
}

// softmax replaces x by e^(x−max)/Σ. The sum is taken in float64.
func softmax[T number](x []T) {
	top := x[0]
	for _, v := range x {
		top = max(top, v)
	}
	sum := 0.0
	for i, v := range x {
		x[i] = T(math.Exp(float64(v - top)))
		sum += float64(x[i])
	}
	for i := range x {
		x[i] /= T(sum)
	}
}

// seeScores shows the scores as [query, R, Lk] with zeros where the mask forbids,
// and takes back what a forcing tap makes of the visible ones.
func (a *attention[T]) seeScores(module string) {
	rows, keys := a.p.layout.rows, a.p.layout.keys
	full := value[T]{newMatrix[T](a.g.query*rows, keys), a.out.bf16}
	a.eachRow(func(head, row, key int, scores []T) { copy(full.row(head*rows + row)[key:], scores) })
	full = a.p.see(module, "scores", full, a.g.query, rows, keys)
	a.eachRow(func(head, row, key int, scores []T) { copy(scores, full.row(head*rows + row)[key:]) })
}

// eachRow calls fn with the visible scores of every head and row of the pass, and
// the key of the first of them.
func (a *attention[T]) eachRow(fn func(head, row, key int, scores []T)) {
	for _, s := range a.parts {
		for head := range a.g.query {
			at := s.offset + head*s.size
			for _, r := range s.groups {
				for q := range r.queries {
					fn(head, s.first+r.first+q, s.firstKey, a.scores[at:at+r.visible])
					at += r.visible
				}
			}
		}
	}
}
