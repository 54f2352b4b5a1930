package ops

import (
	"fmt"

	"colakit/kernels/device"
)

// Attention is softmax(q·Kᵀ)·V over a cache, for the tiles of a pass.
type Attention struct {
	Geometry
	Tiles     Vector // I32, 8 for each tile: see AttentionTiles
	Pages     Matrix // I32, [sequences, pages]: see Pages.Flat
	PageShift int
	Round     Type   // scores and weights are rounded to it; weights for 16-bit values always to their type
	Scores    Matrix // F32, [Query·rows, keys], if somebody looks: what is visible is written, and nothing else
}

const maxHeadWidth = 256

// Attention computes y [rows, Query·Width] from scaled queries [rows, Query·Pitch] and
// the cache of the same type. Tiles and pages out of range are not noticed.
func (o *Ops) Attention(y, q Matrix, cache Cache, a Attention) error {
	c := &checker{op: "attention"}
	a.Geometry.check(c)
	tiles := a.Tiles.N / tileInts
	c.matrix("y", y, q.Rows, a.Query*a.Width)
	c.matrix("q", q, q.Rows, a.Query*a.Pitch())
	c.require(q.Stride == q.Cols, "q has gaps")
	c.require(a.Width <= maxHeadWidth, "heads of %d channels, at most %d", a.Width, maxHeadWidth)
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
	name, shape := a.kernel(q.Type, tiles)
	return o.launch(name, shape,
		q, cache.K, cache.V, a.Query, a.KV, a.Width, a.Pitch(), a.Tiles, a.Pages, a.Pages.Stride, a.PageShift,
		a.Round, a.Scores, q.Rows, a.Scores.Cols, y, y.Type, y.Stride)
}

func (a Attention) kernel(t Type, tiles int) (string, device.Launch) {
	shape := device.Launch{Grid: device.D(tiles, a.Query), Block: device.D(128)}
	if t == F32 {
		return "attention_f32", shape
	}
	width := 64
	for width < a.Width {
		width *= 2
	}
	shape.Grid.Z = uint32(ceil(width, 128))
	shape.Shared = 256 * (min(width, 128) + 4)
	return fmt.Sprintf("attention_%v_%d", t, width), shape
}
