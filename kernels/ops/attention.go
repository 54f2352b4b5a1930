package ops

import (
	"fmt"
	"slices"

	"colakit/kernels/device"
)

// Attention is softmax(q·Kᵀ)·V over a cache, for the tiles of a pass.
type Attention struct {
	Geometry
	Tiles     Vector // I32, 8 for each tile: see AttentionTiles
	Pages     Matrix // I32, [sequences, pages]: see Pages.Flat
	PageShift int
	Keys      int    // at least as many as any tile sees; 0: not known. Results don't depend on it.
	Round     Type   // scores and weights are rounded to it; weights for 16-bit values always to their type
	Scores    Matrix // F32, [Query·rows, keys], if somebody looks: what is visible is written, and nothing else
}

// WidestHead is the number of channels of the widest head, MostHeads that of heads.
const (
	WidestHead = 256
	MostHeads  = maxGridY
)

// Attention computes y [rows, Query·Width] from scaled queries [rows, Query·Pitch] and
// the cache of the same type. Tiles and pages out of range are not noticed.
func (o *Ops) Attention(y, q Matrix, cache Cache, a Attention) error {
	c := &checker{op: "attention"}
	a.Geometry.check(c)
	tiles := a.Tiles.N / tileInts
	c.matrix("y", y, q.Rows, a.Query*a.Width)
	c.matrix("q", q, q.Rows, a.Query*a.Pitch())
	c.require(q.Stride == q.Cols, "q has gaps")
	c.require(a.Width <= WidestHead, "heads of %d channels, at most %d", a.Width, WidestHead)
	cache.check(c, a.Geometry, q.Type)
	c.words("q", q)
	c.words("keys", cache.K)
	c.words("values", cache.V)
	c.vector("tiles", a.Tiles, I32, tiles*tileInts)
	c.shape("pages", a.Pages, a.Pages.Rows, a.Pages.Cols)
	c.require(a.Pages.Type == I32, "pages of type %v", a.Pages.Type)
	c.require(a.PageShift >= 0 && a.PageShift < 31, "pages of 2^%d rows", a.PageShift)
	c.require(a.Round.float(), "rounding to %v", a.Round)
	if !a.Scores.none() {
		c.matrix("scores", a.Scores, a.Query*q.Rows, a.Scores.Cols)
		c.require(a.Scores.Type == F32 && a.Scores.Stride == a.Scores.Cols, "scores are f32 without gaps")
	}
	if c.err != nil || tiles == 0 {
		return c.err
	}
	args := []any{
		q, cache.K, cache.V, a.Query, a.KV, a.Width, a.Pitch(), a.Tiles, a.Pages, a.Pages.Stride, a.PageShift,
		a.Round, a.Scores, q.Rows, a.Scores.Cols, y, y.Type, y.Stride,
	}
	p := o.attentionPlan(a, q.Type, tiles)
	if p.parts == 1 {
		return o.launch(p.kernel, p.shape, append(args, device.Pointer(0), device.Pointer(0), device.Pointer(0), 1)...)
	}
	args = append(args, o.part, o.part.At(p.sumBytes), o.done, p.parts)
	first := device.Launch{Grid: device.D(tiles, a.Query, p.parts), Block: p.shape.Block}
	if err := o.launch(p.first, first, slices.Clone(args)...); err != nil {
		return err
	}
	return o.launch(p.kernel, p.shape, args...)
}

// attentionPlan says whether parts of the keys have blocks of their own.
type attentionPlan struct {
	kernel, first string // first: of the first pass, where parts > 1
	shape         device.Launch
	parts         int
	sumBytes      int64 // of the results of the first pass
}

// partKeys is the number of keys of a part, kPartKeys in kernels/cuda/attention.h.
const partKeys = 128

// attentionPlan gives every part a block where tiles and heads don't keep the
// multiprocessors busy, two blocks each, and there are enough keys to make up for a
// second launch: at batch 1 a block of queries with 16 heads is 16 blocks, of which
// each walks all the keys, waiting for memory at every step. The bits are the same, so
// it may depend on anything. Not measured.
func (o *Ops) attentionPlan(a Attention, t Type, tiles int) attentionPlan {
	const tileBytes = 4 * tileQueries
	p := attentionPlan{kernel: "attention_f32", parts: 1, shape: device.Launch{Grid: device.D(tiles, a.Query), Block: device.D(128)}}
	if t == F32 {
		return p
	}
	width := 64
	for width < a.Width {
		width *= 2
	}
	p.kernel, p.first = fmt.Sprintf("attention_%v_%d", t, width), fmt.Sprintf("attention_sums_%v_%d", t, width)
	values := ceil(width, 128)
	blocks, parts := tiles*a.Query*values, ceil(a.Keys, partKeys)
	p.sumBytes = int64(tiles) * int64(a.Query) * int64(parts) * 2 * tileBytes
	if parts >= o.splitParts && blocks < o.splitBlocks && p.sumBytes/2*int64(width+2) <= o.part.Bytes && blocks <= counters {
		p.parts = parts
	}
	p.shape.Grid.Z = uint32(p.parts * values)
	p.shape.Shared = 256 * (min(width, 128) + 4)
	return p
}
