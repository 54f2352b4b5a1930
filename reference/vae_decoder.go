package reference

import "github.com/nlpodyssey/spago/nn"

// Decoder is the VAE's decoder: latents to the logits of p tokens each.
type Decoder[T number] struct {
	nn.Module
	InLayer    *Linear[T] // [d, c]
	Blocks     []*VAEBlock[T]
	Unpatch    *Linear[T]    // [d·p, d]
	FinalNorm  *LayerNorm[T] // with parameters
	FinalLayer *Linear[T]    // [vocab, d]

	patch int // p
}

// trunk runs z [n, c] through everything up to the last block. A pass that only
// fills the caches ends here.
func (d *Decoder[T]) trunk(p *pass[T], z value[T]) value[T] {
	x := p.see("vae.decoder.", "in_layer", d.InLayer.forward(p, z))
	for _, block := range d.Blocks {
		if !p.alive() {
			break
		}
		x = block.forward(p, x)
	}
	return x
}

// logits returns the logits [n·p, vocab] of z [n, c].
func (d *Decoder[T]) logits(p *pass[T], z value[T]) value[T] {
	x := d.trunk(p, z)
	if !p.alive() {
		return x
	}
	x = p.see("vae.decoder.", "unpatch", d.Unpatch.forward(p, x))
	x = p.see("vae.decoder.", "norm", d.FinalNorm.forward(p, d.tokens(x)))
	x = p.see("vae.decoder.", "logits", d.FinalLayer.forward(p, x))
	seeTop(p, x)
	return x
}

// tokens arranges x [n, d·p] as [n·p, d]: column c·p + s is channel c of the
// latent's token s.
func (d *Decoder[T]) tokens(x value[T]) value[T] {
	width := x.cols() / d.patch
	out := value[T]{newMatrix[T](x.rows()*d.patch, width), x.bf16}
	for r := range out.rows() {
		src, s := x.row(r/d.patch), r%d.patch
		dst := out.row(r)
		for c := range dst {
			dst[c] = src[c*d.patch+s]
		}
	}
	return out
}

// reset empties the caches, for a batch of n samples.
func (d *Decoder[T]) reset(n int) {
	for _, b := range d.Blocks {
		b.Attn.cache.reset(n)
	}
}

// truncate cuts the caches back to the given rows of every sample.
func (d *Decoder[T]) truncate(rows []int) {
	for _, b := range d.Blocks {
		b.Attn.cache.truncate(rows, b.Attn.heads.kv*b.Attn.heads.width)
	}
}
