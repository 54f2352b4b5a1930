package reference

import "github.com/nlpodyssey/spago/nn"

// DiTBlock is one block of the prior: attention and MLP, each between a modulated
// LayerNorm without parameters and a gate.
type DiTBlock[T number] struct {
	nn.Module
	MSA *DiTAttention[T]
	MLP *DiTMLP[T]
	Ada *AdaLN[T] // nil where an AdaLN table stands in its place

	norm *LayerNorm[T] // msa_norm and mlp_norm
	path string        // "dit.blocks.3."
}

// forward maps the residual stream x [R, d] to [R, d].
func (b *DiTBlock[T]) forward(p *pass[T], x value[T], c blockConditioning[T]) value[T] {
	x = p.see(b.path, "in", x)

	in := c.msaIn.see(p, b.path, "ada.msa_in.shift", "ada.msa_in.scale")
	y := p.see(b.path, "msa.norm", b.norm.forward(p, x))
	y = p.see(b.path, "msa.in", modulate(p, y, in))
	y = b.MSA.forward(p, y)
	x = p.see(b.path, "msa.residual", gated(p, y, c.msaOut.see(p, b.path, "ada.msa_out.gate"), x))

	in = c.mlpIn.see(p, b.path, "ada.mlp_in.shift", "ada.mlp_in.scale")
	y = p.see(b.path, "mlp.norm", b.norm.forward(p, x))
	y = p.see(b.path, "mlp.in", modulate(p, y, in))
	y = b.MLP.forward(p, y)
	return p.see(b.path, "mlp.residual", gated(p, y, c.mlpOut.see(p, b.path, "ada.mlp_out.gate"), x))
}
