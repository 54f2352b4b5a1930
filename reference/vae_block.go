package reference

import "github.com/nlpodyssey/spago/nn"

// VAEBlock is one block of the VAE's encoder or decoder. With postNorm NormAttn
// normalises the residual stream itself, after attention has read it, and NormFFN
// the output of the FFN; without, both normalise the inputs of their branch.
type VAEBlock[T number] struct {
	nn.Module
	NormAttn *LayerNorm[T]
	Attn     *VAEAttention[T]
	NormFFN  *LayerNorm[T] // with parameters, always
	FFN      *VAEFFN[T]

	postNorm bool
	path     string // "vae.decoder.blocks.1."
}

// forward maps the residual stream x [n, d] to [n, d].
func (b *VAEBlock[T]) forward(p *pass[T], x value[T]) value[T] {
	x = p.see(b.path, "in", x)
	if b.postNorm {
		y := b.Attn.forward(p, x)
		x = p.see(b.path, "attn.norm", b.NormAttn.forward(p, x))
		x = p.see(b.path, "attn.residual", add(p, x, y))
		y = p.see(b.path, "ffn.norm", b.NormFFN.forward(p, b.FFN.forward(p, x)))
		return p.see(b.path, "ffn.residual", add(p, x, y))
	}
	y := p.see(b.path, "attn.norm", b.NormAttn.forward(p, x))
	x = p.see(b.path, "attn.residual", add(p, x, b.Attn.forward(p, y)))
	y = p.see(b.path, "ffn.norm", b.NormFFN.forward(p, x))
	return p.see(b.path, "ffn.residual", add(p, x, b.FFN.forward(p, y)))
}

// VAEFFN is Linear → activation → Linear.
type VAEFFN[T number] struct {
	nn.Module
	Proj *Linear[T] // [ffn_dim, d]
	Out  *Linear[T] // [d, ffn_dim], half as many inputs under swiglu

	act  func(*pass[T], value[T]) value[T]
	path string // "vae.decoder.blocks.1.ffn."
}

// forward maps x [n, d] to [n, d].
func (f *VAEFFN[T]) forward(p *pass[T], x value[T]) value[T] {
	hidden := p.see(f.path, "hidden", f.Proj.forward(p, x))
	act := p.see(f.path, "act", f.act(p, hidden))
	return p.see(f.path, "out", f.Out.forward(p, act))
}
