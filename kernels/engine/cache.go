package engine

import (
	"errors"

	"colakit/kernels/device"
	"colakit/kernels/ops"
)

// cache keeps the keys and values of every layer of a model for the sequences of a
// batch, in pages that all layers share the table of. It grows by doubling, or by what
// is needed where that does not fit.
type cache struct {
	device   device.Device
	geometry ops.Geometry
	typ      ops.Type
	layers   []ops.Cache

	table    [][]int32 // per sequence, its pages
	pages    int       // given out
	capacity int       // of the layers
	grown    int       // how often it was reallocated; recorded launches hold addresses
}

// pageShift makes pages of 64 rows.
const (
	pageShift = 6
	pageRows  = 1 << pageShift
)

func newCache(d device.Device, layers int, g ops.Geometry, t ops.Type) *cache {
	return &cache{device: d, geometry: g, typ: t, layers: make([]ops.Cache, layers)}
}

// reset makes the cache one of n empty sequences.
func (c *cache) reset(n int) { c.table, c.pages = make([][]int32, n), 0 }

// reserve makes room for the rows of a sequence.
func (c *cache) reserve(sequence, rows int) error {
	for len(c.table[sequence])*pageRows < rows {
		c.table[sequence] = append(c.table[sequence], int32(c.pages))
		c.pages++
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

// grow moves what is cached into more memory, but where an attempt that failed has
// done so.
func (c *cache) grow(pages int) error {
	width := c.geometry.KV * c.geometry.Pitch()
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
	c.grown++
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
	c.capacity, c.pages, c.table = 0, 0, nil
	return errors.Join(errs...)
}

// paged returns where the rows of the sequences lie.
func (c *cache) paged() ops.Pages { return ops.Pages{Table: c.table, Shift: pageShift} }
