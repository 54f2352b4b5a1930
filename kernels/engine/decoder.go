package engine

import (
	"colakit/formats/hf"
	"colakit/kernels/ops"
)

// decoder is the VAE's decoder: latents to the logits of p tokens each.
type decoder struct {
	inLayer    *linear // [d, c]
	blocks     []*vaeBlock
	unpatch    *linear // [d·p, d]
	finalNorm  *norm
	finalLayer *linear // [vocab, d]
	rope       *rotary
	cache      *cache
	patch      int // p
}

func newDecoder(l *loader, c hf.VAEConfig) *decoder {
	d := c.Dim
	return &decoder{
		inLayer:   l.linear(hf.DecoderIn, d, c.LatentDim, c.Bias),
		unpatch:   l.linear(hf.DecoderUnpatch, d*c.PatchSize, d, true),
		finalNorm: l.norm(hf.DecoderNorm, d, c.LayerNormEps, true), finalLayer: l.linear(hf.DecoderFinal, c.VocabSize, d, c.Bias),
		patch: c.PatchSize,
	}
}

// trunk runs z [n, c] through everything up to the last block. A pass that only fills
// the caches ends here.
func (d *decoder) trunk(p *pass, z ops.Matrix) ops.Matrix {
	x := d.inLayer.apply(p, p.narrow(z, d.inLayer), p.types.wide)
	p.see("vae.decoder.", "in_layer", x)
	for i, block := range d.blocks {
		if !p.alive() {
			break
		}
		p.layer(i)
		x = block.forward(p, x)
	}
	return x
}

// logits returns the logits [n·p, vocab] of z [n, c].
func (d *decoder) logits(p *pass, z ops.Matrix) ops.Matrix {
	x := d.trunk(p, z)
	x = d.unpatch.apply(p, p.narrow(x, d.unpatch), p.types.wide)
	p.see("vae.decoder.", "unpatch", x)
	tokens := p.matrix(x.Type, x.Rows*d.patch, x.Cols/d.patch)
	p.do(func() error { return p.ops.Unpatch(tokens, x, d.patch) })
	y := p.modulated("vae.decoder.", "norm", d.finalNorm, tokens, ops.Table{}, d.finalLayer)
	logits := d.finalLayer.apply(p, y, p.types.wide)
	p.see("vae.decoder.", "logits", logits)
	return logits
}
