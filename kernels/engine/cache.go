package engine

import (
	"errors"

	"colakit/kernels/device"
	"colakit/kernels/ops"
)

// cache keeps the keys and values of every layer of a model for the sequences of a
// batch, in pages that all layers share the table of. Memory is taken for a whole
// batch, before anything is cached: reset takes what the longest run needs, where there
// is less, and gives pages out of it. Nothing is moved then, and no address changes.
// A run that is longer than was said moves what is cached, layer by layer.
type cache struct {
	device   device.Device
	geometry ops.Geometry
	typ      ops.Type
	layers   []ops.Cache

	table    [][]int32 // per sequence, its pages
	spare    []int32   // pages that were given back
	pages    int       // given out so far, spare ones included
	capacity int       // of the layers
	grown    int       // how often addresses changed; recorded launches hold them
}

// pageShift makes pages of 64 rows.
const (
	pageShift = 6
	pageRows  = 1 << pageShift
)

// pagesOf returns the pages that so many rows of a sequence take.
func pagesOf(rows int) int { return (rows + pageRows - 1) / pageRows }

func newCache(d device.Device, layers int, g ops.Geometry, t ops.Type) *cache {
	return &cache{device: d, geometry: g, typ: t, layers: make([]ops.Cache, layers)}
}

// reset makes the cache one of n empty sequences, with room for the pages given.
func (c *cache) reset(n, pages int) error {
	c.table, c.spare, c.pages = make([][]int32, n), nil, 0
	if pages <= c.capacity {
		return nil
	}
	if err := c.free(); err != nil {
		return err
	}
	c.table = make([][]int32, n)
	return c.grow(pages)
}

// reserve makes room for the rows of a sequence.
func (c *cache) reserve(sequence, rows int) error {
	for len(c.table[sequence]) < pagesOf(rows) {
		c.table[sequence] = append(c.table[sequence], c.page())
	}
	if c.pages <= c.capacity {
		return nil
	}
	err := c.grow(max(c.pages, 2*c.capacity))
	if errors.Is(err, device.ErrMemory) && c.pages < 2*c.capacity {
		err = c.grow(c.pages)
	}
	return err
}

// page gives out a page.
func (c *cache) page() int32 {
	if last := len(c.spare) - 1; last >= 0 {
		p := c.spare[last]
		c.spare = c.spare[:last]
		return p
	}
	c.pages++
	return int32(c.pages - 1)
}

// drop gives back the pages of a sequence that nothing reads any more.
func (c *cache) drop(sequence int) {
	c.spare = append(c.spare, c.table[sequence]...)
	c.table[sequence] = nil
}

// bytes returns the size of all layers.
func (c *cache) bytes() (n int64) {
	for _, l := range c.layers {
		n += l.K.Buffer.Bytes + l.V.Buffer.Bytes
	}
	return n
}

// grow moves what is cached into more memory, but where an attempt that failed has
// done so.
func (c *cache) grow(pages int) error {
	width := c.geometry.KV * c.geometry.Pitch()
	c.grown++
	for i := range c.layers {
		for _, m := range []*ops.Matrix{&c.layers[i].K, &c.layers[i].V} {
			if m.Rows >= pages*pageRows {
				continue
			}
			b, err := c.device.Alloc(int64(pages) * pageRows * int64(width) * int64(c.typ.Size()))
			if err != nil {
				return err
			}
			if m.Rows > 0 {
				if err := errors.Join(c.device.Copy(b, 0, m.Buffer, 0, m.Buffer.Bytes), c.device.Free(m.Buffer)); err != nil {
					return err
				}
			}
			*m = ops.MatrixOf(b, c.typ, pages*pageRows, width)
		}
	}
	c.capacity = pages
	return nil
}

// free gives the memory back to the device.
func (c *cache) free() error {
	var errs []error
	for i := range c.layers {
		for _, m := range []ops.Matrix{c.layers[i].K, c.layers[i].V} {
			if m.Rows > 0 {
				errs = append(errs, c.device.Free(m.Buffer))
			}
		}
		c.layers[i] = ops.Cache{}
	}
	c.table, c.spare, c.pages, c.capacity = nil, nil, 0, 0
	return errors.Join(errs...)
}

// paged returns where the rows of the sequences lie.
func (c *cache) paged() ops.Pages { return ops.Pages{Table: c.table, Shift: pageShift} }
