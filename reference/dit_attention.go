package reference

import "github.com/nlpodyssey/spago/nn"

// DiTAttention is the prior's attention: per-head LayerNorm of queries and keys,
// interleaved rotation, block-causal mask. a = heads·head_dim.
type DiTAttention[T number] struct {
	nn.Module
	ProjQKV      *Linear[T] // [3a, d]
	NormQ, NormK *LayerNorm[T]
	ProjOut      *Linear[T] // [d, a]

	rope  *DiTRope[T]
	cache cache[T] // keys after NormK, before rotation
	heads heads
	path  string // "dit.blocks.3.msa."
}

// forward maps x [R, d] to [R, d].
func (m *DiTAttention[T]) forward(p *pass[T], x value[T]) value[T] {
	h, w, a := m.heads.query, m.heads.width, m.heads.query*m.heads.width
	qkv := p.see(m.path, "qkv", m.ProjQKV.forward(p, x)) // [R, 3a]
	q := p.see(m.path, "q", m.NormQ.forward(p, qkv.columns(0, a)), qkv.rows(), h, w)
	k := p.see(m.path, "k", m.NormK.forward(p, qkv.columns(a, 2*a)), qkv.rows(), h, w)
	v := qkv.columns(2*a, 3*a)
	if p.keep {
		v = p.see(m.path, "v", v, v.rows(), h, w)
	}
	fullK, fullV := m.cache.extend(p, k, v) // [Lk, a]

	q = p.see(m.path, "q_rot", m.rope.forward(p, q, w, p.layout.queryPositions()), q.rows(), h, w)
	fullK = p.see(m.path, "k_rot", m.rope.forward(p, fullK, w, p.layout.keyPositions()), fullK.rows(), h, w)
	out := p.see(m.path, "attn", attend(p, m.heads, m.path, q, fullK, fullV))
	return p.see(m.path, "out", m.ProjOut.forward(p, out))
}
