package reference

import (
	"github.com/nlpodyssey/spago/nn"
)

// DiT is the block-causal prior. Its input is [R, c] noisy or clean latents and a
// timestep for every row, its output the velocity [R, c].
type DiT[T number] struct {
	nn.Module
	TxtIn      *Linear[T]            // [d, c]
	EmbIn      *TimestepEmbedding[T] // nil where an AdaLN table stands in its place
	Blocks     []*DiTBlock[T]
	TxtOutNorm *LayerNorm[T] // with parameters
	TxtOutAda  *Linear[T]    // [2d, d]: txt_out_ada.out_in; nil like EmbIn
	TxtOut     *Linear[T]    // [c, d]

	cond *conditioner[T]
}

// velocity runs the whole model on z [R, c] at the timesteps t [R].
func (d *DiT[T]) velocity(p *pass[T], z value[T], t []T) value[T] {
	x, c := d.trunk(p, z, t)
	if !p.alive() {
		return x
	}
	y := p.see("dit.", "txt_out_norm", d.TxtOutNorm.forward(p, x))
	y = p.see("dit.", "txt_out.in", modulate(p, y, c.out.see(p, "dit.", "txt_out_ada.out_in.shift", "txt_out_ada.out_in.scale")))
	return p.see("dit.", "velocity", d.TxtOut.forward(p, y))
}

// trunk runs everything up to the last block. A pass that only fills the caches
// ends here.
func (d *DiT[T]) trunk(p *pass[T], z value[T], t []T) (value[T], conditioning[T]) {
	x := p.see("dit.", "txt_in", d.TxtIn.forward(p, p.narrow(z)))
	c := d.cond.condition(p, t)
	for i, block := range d.Blocks {
		if !p.alive() {
			break
		}
		x = block.forward(p, x, c.blocks[i])
	}
	return x, c
}

// reset empties the caches, for a batch of n samples.
func (d *DiT[T]) reset(n int) {
	for _, b := range d.Blocks {
		b.MSA.cache.reset(n)
	}
}

// truncate cuts the caches back to the given rows of every sample.
func (d *DiT[T]) truncate(rows []int) {
	for _, b := range d.Blocks {
		b.MSA.cache.truncate(rows, b.MSA.heads.kv*b.MSA.heads.width)
	}
}
