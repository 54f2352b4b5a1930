package reference

import (
	"fmt"

	"github.com/nlpodyssey/spago/nn"

	"colakit/formats/tensor"
)

// Encoder is the VAE's encoder: token ids to latents, p tokens to one.
type Encoder[T number] struct {
	nn.Module
	Patch      *Linear[T] // Conv1d [d, d, p] of stride p, seen as [d, d·p]
	Blocks     []*VAEBlock[T]
	FinalLayer *Linear[T]    // [2c, d], or [c, d] without variation
	FinalNorm  *LayerNorm[T] // over c, without parameters; nil: identity

	wte          *embedding[T]
	patch        int // p
	latent       int // c
	shift, scale float64
}

// forward returns the latents [n, c] of the token ids of all samples, one after
// the other, p·n of them.
func (e *Encoder[T]) forward(p *pass[T], ids []int32) value[T] {
	x := p.see("vae.encoder.", "wte", e.wte.rows(p, ids))
	x = p.see("vae.encoder.", "patch", e.Patch.forward(p, e.patches(x)))
	for _, block := range e.Blocks {
		if !p.alive() {
			return x
		}
		x = block.forward(p, x)
	}
	x = p.see("vae.encoder.", "final", e.FinalLayer.forward(p, x))
	return p.see("vae.", "latents", e.latents(p, x))
}

// patches arranges x [p·n, d] as the convolution reads it: [n, d·p], where column
// i·p + s is channel i of the patch's token s.
func (e *Encoder[T]) patches(x value[T]) value[T] {
	d := x.cols()
	out := value[T]{newMatrix[T](x.rows()/e.patch, d*e.patch), x.bf16}
	for r := range x.rows() {
		row, s := out.row(r/e.patch), r%e.patch
		for i, v := range x.row(r) {
			row[i*e.patch+s] = v
		}
	}
	return out
}

// latents returns (mode − shift)·scale. The mode of the posterior is its mean, the
// first c columns; the log-variance is not computed further.
func (e *Encoder[T]) latents(p *pass[T], x value[T]) value[T] {
	mode := x.columns(0, e.latent)
	if e.FinalNorm != nil {
		mode = p.see("vae.encoder.", "norm", e.FinalNorm.forward(p, mode))
	}
	mode = p.round(value[T]{minusScalar(mode.m, e.shift), mode.bf16})
	mode = p.round(value[T]{timesScalar(mode.m, e.scale), mode.bf16})
	mode.bf16 = false // widened
	return mode
}

// embedding reads rows of the token embedding where they lie: widening the whole
// table would cost more memory than all of the encoder.
type embedding[T number] struct {
	table tensor.View // [vocab+1, d]
}

// rows returns the embeddings of ids, [len(ids), d], in float32.
func (e *embedding[T]) rows(p *pass[T], ids []int32) value[T] {
	d := e.table.Shape[1]
	out := value[T]{m: newMatrix[T](len(ids), d)}
	for i, id := range ids {
		p.fail(widen(out.row(i), e.table, int(id)*d))
	}
	return out
}

// check refuses ids that have no embedding.
func (e *embedding[T]) check(ids []int32) error {
	for i, id := range ids {
		if id < 0 || int(id) >= e.table.Shape[0] {
			return fmt.Errorf("token %d has id %d; the model knows 0 to %d", i, id, e.table.Shape[0]-1)
		}
	}
	return nil
}
