package convert

import (
	"context"
	"errors"
	"math"
	"sync"
	"sync/atomic"

	"colakit/formats/tensor"
)

// contrast is what comparing elements found; those of tiles are added in order.
type contrast struct {
	elements, equalBits  int64
	different, nonFinite int64
	squares, errors      float64
	maxAbs               float64
	maxAt                int64 // element; −1: none differs
	atA, atB             float64
}

func noContrast() contrast { return contrast{maxAt: -1} }

// see adds the elements x and y, of which the first is element first of its tensor.
func (c *contrast) see(x, y []float64, first int64) {
	y = y[:len(x)]
	for i, a := range x {
		b := y[i]
		d := math.Abs(b - a)
		switch {
		case math.Float64bits(a) == math.Float64bits(b) || a != a && b != b:
			c.equalBits++
		case d == 0: // zeros of both signs
		case d-d != 0:
			c.nonFinite++
			c.differ(first+int64(i), math.Inf(1), a, b)
			continue
		default:
			c.differ(first+int64(i), d, a, b)
		}
		if a-a == 0 {
			c.squares += float64(a * a)
			c.errors += float64(d * d)
		}
	}
	c.elements += int64(len(x))
}

func (c *contrast) differ(at int64, d, a, b float64) {
	c.different++
	if d > c.maxAbs || c.maxAt < 0 {
		c.maxAbs, c.maxAt, c.atA, c.atB = d, at, a, b
	}
}

// add adds the tile that follows.
func (c *contrast) add(next contrast) {
	c.elements += next.elements
	c.equalBits += next.equalBits
	c.different += next.different
	c.nonFinite += next.nonFinite
	c.squares += next.squares
	c.errors += next.errors
	if next.maxAt >= 0 && (next.maxAbs > c.maxAbs || c.maxAt < 0) {
		c.maxAbs, c.maxAt, c.atA, c.atB = next.maxAbs, next.maxAt, next.atA, next.atB
	}
}

// figures returns the figures of a tensor of that shape.
func (c contrast) figures(shape tensor.Shape) DiffFigures {
	rel := relative(c.errors, c.squares)
	f := DiffFigures{RelL2: Value(rel), SQNR: Value(-20 * math.Log10(rel)), MaxAbs: Value(c.maxAbs), EqualBits: 1,
		AtA: Value(c.atA), AtB: Value(c.atB), Different: c.different, NonFinite: c.nonFinite, Elements: c.elements}
	if c.maxAt >= 0 {
		f.MaxAbsIndex = coordinates(shape, c.maxAt)
	}
	if c.elements > 0 {
		f.EqualBits = float64(c.equalBits) / float64(c.elements)
	}
	return f
}

// compare compares the elements of two tensors of the same shape.
func (d *differ) compare(ctx context.Context, x, y numbers) (contrast, error) {
	tiles := make([]contrast, x.tiles())
	failed := make([]error, len(tiles))
	var next atomic.Int64
	var workers sync.WaitGroup
	var report sync.Mutex
	for range min(d.options.Jobs, len(tiles)) {
		workers.Go(func() {
			t := tiler{store: [2]store{d.a.store, d.b.store}}
			for i := int(next.Add(1)) - 1; i < len(tiles) && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				tiles[i], failed[i] = t.compare(x, y, i)
				report.Lock()
				d.progress(tiles[i].elements)
				report.Unlock()
			}
		})
	}
	workers.Wait()
	all := noContrast()
	for _, t := range tiles {
		all.add(t)
	}
	return all, errors.Join(ctx.Err(), firstError(failed))
}

func firstError(all []error) error {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}

// progress says that elements more were compared.
func (d *differ) progress(elements int64) {
	d.done += elements
	if d.options.Progress != nil {
		d.options.Progress(d.done, d.total)
	}
}

// tiler compares tiles, in buffers of its own.
type tiler struct {
	store   [2]store
	decoder decoder
	x, y    []float64
}

func (t *tiler) compare(x, y numbers, i int) (contrast, error) {
	if t.x == nil {
		n := min(x.count, pieceElements)
		t.x, t.y = make([]float64, n), make([]float64, n)
	}
	first, count := x.tile(i)
	c := noContrast()
	if err := t.decoder.decode(t.x[:count], x, first); err != nil {
		return c, err
	}
	if err := t.decoder.decode(t.y[:count], y, first); err != nil {
		return c, err
	}
	c.see(t.x[:count], t.y[:count], first)
	return c, errors.Join(t.store[0].Forget(x.part(first, count)), t.store[1].Forget(y.part(first, count)))
}
