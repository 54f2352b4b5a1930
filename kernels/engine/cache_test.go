package engine

import (
	"bytes"
	"errors"
	"testing"

	"colakit/kernels/device"
	"colakit/kernels/emulated"
	"colakit/kernels/ops"
)

// TestCacheRoom: memory for a batch is taken before anything is cached, without the old
// beside the new; pages that were given back are given out again.
func TestCacheRoom(t *testing.T) {
	const page = pageRows * 64 * 2
	d, err := emulated.Open(emulated.Options{Memory: 2 * 6 * page})
	if err != nil {
		t.Skip("not run: ", err)
	}
	defer d.Close()
	c := newCache(d, 1, ops.Geometry{Query: 1, KV: 1, Width: 64}, ops.F16)
	for _, pages := range []int{4, 6, 2} { // 4 and 6 together do not fit
		if err := c.reset(2, pages); err != nil {
			t.Fatal(pages, " pages: ", err)
		}
	}
	if c.capacity != 6 || c.bytes() != d.Info().Memory-d.Info().Free {
		t.Errorf("room for %d pages, %d bytes taken", c.capacity, d.Info().Memory-d.Info().Free)
	}
	grown := c.grown
	for range 3 {
		for sequence, rows := range []int{3 * pageRows, 2*pageRows + 1} {
			if err := c.reserve(sequence, rows); err != nil {
				t.Fatal(err)
			}
		}
		if c.pages != 6 || c.grown != grown {
			t.Errorf("%d pages given out of 6, addresses changed %d times", c.pages, c.grown-grown)
		}
		c.drop(0)
		c.drop(1)
	}
}

// TestCacheGrows: where a cache of twice the size does not fit, one of the size needed
// is taken; what is cached stays, and what does not fit at all leaves it usable.
func TestCacheGrows(t *testing.T) {
	const page = pageRows * 64 * 2 // bytes of the keys of a page
	d, err := emulated.Open(emulated.Options{Memory: 9*page + page/2})
	if err != nil {
		t.Skip("not run: ", err)
	}
	defer d.Close()
	c := newCache(d, 1, ops.Geometry{Query: 1, KV: 1, Width: 64}, ops.F16)
	if err := c.reset(1, 1); err != nil {
		t.Fatal(err)
	}
	if err := c.reserve(0, 2*pageRows); err != nil {
		t.Fatal(err)
	}
	cached := bytes.Repeat([]byte{1, 2, 3, 4}, 2*page/4)
	layer := &c.layers[0]
	for _, m := range []ops.Matrix{layer.K, layer.V} {
		if err := d.Upload(m.Buffer, 0, cached); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.reserve(0, 2*pageRows+1); err != nil {
		t.Fatal("3 pages fit, 4 do not: ", err)
	}
	if err := c.reserve(0, 9*pageRows); !errors.Is(err, device.ErrMemory) {
		t.Errorf("9 pages of keys and values: error %v", err)
	}
	for _, m := range []ops.Matrix{layer.K, layer.V} {
		got := make([]byte, len(cached))
		if err := d.Download(got, m.Buffer, 0); err != nil || !bytes.Equal(got, cached) {
			t.Errorf("what was cached is gone: %v", err)
		}
	}
	if err := c.free(); err != nil {
		t.Error(err)
	}
	if free := d.Info().Free; free != d.Info().Memory {
		t.Errorf("%d bytes are not given back", d.Info().Memory-free)
	}
}
