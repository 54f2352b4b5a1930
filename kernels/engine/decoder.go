package engine

import (
	"cmp"
	"math"
	"slices"

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
	p.seeTop(logits)
	return logits
}

// topLogits is the number of largest logits that are shown of every row.
const topLogits = 64

// seeTop shows what identifies a row of logits without all of it: the largest ones
// and their ids, descending, the lower id first on ties, and log Σ e^logit.
func (p *pass) seeTop(logits ops.Matrix) {
	const module = "logits."
	if !p.wants(module, "top_values") && !p.wants(module, "top_ids") && !p.wants(module, "logsumexp") {
		return
	}
	all, err := p.load(logits)
	if err != nil {
		p.fail(err)
		return
	}
	k := min(topLogits, logits.Cols)
	var values, sums []float32
	var ids []int32
	for row := range slices.Chunk(all, logits.Cols) {
		for _, id := range largest(row, k) {
			values, ids = append(values, row[id]), append(ids, int32(id))
		}
		sums = append(sums, float32(logSumExp(row)))
	}
	p.see(module, "top_values", p.floatsOf(values, logits.Type, logits.Rows, k))
	p.seeIDs(module, "top_ids", ids, logits.Rows, k)
	p.see(module, "logsumexp", p.floatsOf(sums, ops.F32, logits.Rows, 1), logits.Rows)
}

// largest returns the places of the k largest elements, descending.
func largest(row []float32, k int) []int {
	order := make([]int, len(row))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(row[b], row[a]) })
	return order[:k]
}

func logSumExp(row []float32) float64 {
	top := float64(slices.Max(row))
	if math.IsInf(top, 0) || math.IsNaN(top) {
		return top
	}
	sum := 0.0
	for _, x := range row {
		sum += math.Exp(float64(x) - top)
	}
	return top + math.Log(sum)
}
