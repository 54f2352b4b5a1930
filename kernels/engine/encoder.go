package engine

import (
	"fmt"

	"colakit/formats/hf"
	"colakit/kernels/ops"
)

// encoder is the VAE's encoder: token ids to latents, p tokens to one.
type encoder struct {
	wte          ops.Matrix // [vocab+1, d]
	patchLayer   *linear    // Conv1d [d, d, p] of stride p, seen as [d, d·p]
	blocks       []*vaeBlock
	finalLayer   *linear // [2c, d], or [c, d] without variation
	finalNorm    *norm   // over c, without parameters; nil: identity
	rope         *rotary
	cache        *cache // of one pass
	patch        int    // p
	latent       int    // c
	shift, scale float32
}

func newEncoder(l *loader, c hf.VAEConfig) *encoder {
	d := c.Dim
	e := &encoder{
		wte:        l.embedding(hf.EncoderWTE, c.VocabSize+1, d),
		patchLayer: l.product(hf.EncoderPatch, d, d*c.PatchSize, true, false, d, d, c.PatchSize),
		finalLayer: l.linear(hf.EncoderFinal, c.EncoderOut(), d, c.Bias),
		patch:      c.PatchSize, latent: c.LatentDim, shift: float32(c.ShiftingFactor), scale: float32(c.ScalingFactor),
	}
	if c.EncoderLastLN || !c.UseVariation {
		e.finalNorm = &norm{width: c.LatentDim, eps: float32(c.LayerNormEps)}
	}
	return e
}

// check refuses ids that have no embedding.
func (e *encoder) check(ids []int32) error {
	for i, id := range ids {
		if id < 0 || int(id) >= e.wte.Rows {
			return fmt.Errorf("token %d has id %d; the model knows 0 to %d", i, id, e.wte.Rows-1)
		}
	}
	return nil
}

// forward returns the latents [n, c] of the token ids of all samples, one after the
// other, p·n of them.
func (e *encoder) forward(p *pass, ids []int32) ops.Matrix {
	patches := p.matrix(p.operand(e.patchLayer), p.rows, e.wte.Cols*e.patch)
	tokens := p.ints(ids)
	p.do(func() error { return p.ops.EmbedPatches(patches, tokens, e.wte, e.patch) })
	x := e.patchLayer.apply(p, patches, p.types.wide)
	p.see("vae.encoder.", "patch", x)
	for i, block := range e.blocks {
		if !p.alive() {
			return x
		}
		p.layer(i)
		x = block.forward(p, x)
	}
	x = e.finalLayer.apply(p, p.narrow(x, e.finalLayer), p.types.wide)
	p.see("vae.encoder.", "final", x)
	return e.latents(p, x)
}

// latents returns (mode − shift)·scale. The mode of the posterior is its mean, the
// first c columns.
func (e *encoder) latents(p *pass, x ops.Matrix) ops.Matrix {
	mode := x.Columns(0, e.latent)
	if e.finalNorm != nil {
		y := p.matrix(p.types.norm, x.Rows, e.latent)
		e.finalNorm.forward(p, y, mode, ops.Norm{})
		p.see("vae.encoder.", "norm", y)
		mode = y
	}
	out := p.matrix(ops.F32, x.Rows, e.latent)
	p.do(func() error { return p.ops.Latents(out, mode, e.shift, e.scale) })
	p.see("vae.", "latents", out)
	return out
}
