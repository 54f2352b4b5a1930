package reference

import "github.com/nlpodyssey/spago/nn"

// VAEAttention is the VAE's attention: LayerNorm over the whole width of queries
// and of keys (optional), half-split rotation, block-causal mask or none. k = d, or
// one head's width where all query heads share one key and value head.
type VAEAttention[T number] struct {
	nn.Module
	QKVProj      *Linear[T]    // [d+2k, d]
	QNorm, KNorm *LayerNorm[T] // nil: queries and keys stay as they are
	OutProj      *Linear[T]    // [d, d]

	clip    *float64 // limit of |qkv|, nil for none
	rope    *VAERope[T]
	cache   cache[T] // keys before KNorm
	heads   heads
	decoder bool
	path    string // "vae.decoder.blocks.1.attn."
}

// forward maps x [n, d] to [n, d].
func (m *VAEAttention[T]) forward(p *pass[T], x value[T]) value[T] {
	g, d, kd := m.heads, m.heads.query*m.heads.width, m.heads.kv*m.heads.width
	qkv := m.qkv(p, x) // [n, d+2k]
	q, k, v := qkv.columns(0, d), qkv.columns(d, d+kd), qkv.columns(d+kd, d+2*kd)
	if m.decoder {
		k = p.see(m.path, "k_raw", k)
		v = p.see(m.path, "v", v)
	}
	k, v = m.cache.extend(p, k, v) // [Lk, k]
	if m.QNorm != nil {
		q = p.see(m.path, "q", p.hold(m.QNorm.forward(p, q), q.bf16))
		k = p.see(m.path, "k", p.hold(m.KNorm.forward(p, k), k.bf16))
	}
	q = p.see(m.path, "q_rot", m.rope.forward(p, q, g.width, p.layout.queryPositions()), q.rows(), g.query, g.width)
	k = p.see(m.path, "k_rot", m.rope.forward(p, k, g.width, p.layout.keyPositions()), k.rows(), g.kv, g.width)
	out := p.see(m.path, "attn", attend(p, g, m.path, q, k, v))
	return p.see(m.path, "out", m.OutProj.forward(p, out))
}

func (m *VAEAttention[T]) qkv(p *pass[T], x value[T]) value[T] {
	qkv := m.QKVProj.forward(p, x)
	if m.clip != nil {
		clamp(qkv.m, *m.clip)
		qkv = p.round(qkv)
	}
	return p.see(m.path, "qkv", qkv)
}
