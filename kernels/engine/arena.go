package engine

import (
	"errors"

	"colakit/kernels/device"
	"colakit/kernels/ops"
)

// arena gives out the memory of values. After a reset all of it is given out anew, in
// the same places if the same is asked for.
type arena struct {
	device device.Device
	chunks []device.Buffer
	chunk  int   // that is given out of
	used   int64 // of it
	least  int64 // bytes of a chunk; 0: chunkBytes
	taken  int64 // since the reset, of all chunks
	most   int64 // that was taken between two resets
	grown  int   // how often memory was added; recorded launches hold addresses
}

const (
	chunkBytes = 4 << 20
	alignment  = 256
)

func aligned(n int64) int64 { return (n + alignment - 1) / alignment * alignment }

// reset takes everything back.
func (a *arena) reset() { a.chunk, a.used, a.taken = 0, 0, 0 }

// position is a place in an arena.
type position struct {
	chunk       int
	used, taken int64
}

// position returns where memory is given out next.
func (a *arena) position() position { return position{a.chunk, a.used, a.taken} }

// rewind takes back what was given out behind a position.
func (a *arena) rewind(to position) { a.chunk, a.used, a.taken = to.chunk, to.used, to.taken }

// bytes returns n bytes at an offset of a buffer, valid until the next reset.
func (a *arena) bytes(n int64) (b device.Buffer, offset int64, err error) {
	n = aligned(max(n, 1))
	a.taken += n
	a.most = max(a.most, a.taken)
	for ; a.chunk < len(a.chunks); a.chunk, a.used = a.chunk+1, 0 {
		if c := a.chunks[a.chunk]; c.Bytes-a.used >= n {
			offset, a.used = a.used, a.used+n
			return c, offset, nil
		}
	}
	least := a.least
	if least == 0 {
		least = chunkBytes
	}
	if b, err = a.device.Alloc(max(n, least)); err != nil {
		return b, 0, err
	}
	a.chunks, a.used = append(a.chunks, b), n
	a.grown++
	return b, 0, nil
}

// reserve takes memory for so many bytes between two resets, if there is none.
func (a *arena) reserve(n int64) error {
	if n == 0 || len(a.chunks) > 0 {
		return nil
	}
	b, err := a.device.Alloc(n)
	if err == nil {
		a.chunks = append(a.chunks, b)
	}
	return err
}

// size returns the bytes of the memory.
func (a *arena) size() (n int64) {
	for _, c := range a.chunks {
		n += c.Bytes
	}
	return n
}

// free gives the memory back to the device.
func (a *arena) free() error {
	var errs []error
	for _, c := range a.chunks {
		errs = append(errs, a.device.Free(c))
	}
	a.chunks = nil
	a.reset()
	return errors.Join(errs...)
}

// scratch is the memory of a pass: of values that live as long as it, and of those of
// its layers. A layer reads nothing older than the residual stream of the layer before
// it, so two arenas take turns, and memory does not grow with the number of layers.
type scratch struct {
	whole  *arena
	layers [2]*arena
}

func newScratch(d device.Device) *scratch {
	return &scratch{whole: &arena{device: d}, layers: [2]*arena{{device: d}, {device: d}}}
}

// grown returns how often memory was added.
func (s *scratch) grown() int { return s.whole.grown + s.layers[0].grown + s.layers[1].grown }

// bytes returns the size of the memory.
func (s *scratch) bytes() int64 {
	return s.whole.size() + s.layers[0].size() + s.layers[1].size()
}

func (s *scratch) free() error {
	return errors.Join(s.whole.free(), s.layers[0].free(), s.layers[1].free())
}

// layer starts layer i of a model: its values take the place of those of layer i−2.
func (p *pass) layer(i int) {
	p.arena = p.scratch.layers[i%len(p.scratch.layers)]
	p.arena.reset()
}

// matrix returns room for [rows, cols] without gaps.
func (p *pass) matrix(t ops.Type, rows, cols int) ops.Matrix {
	b, offset, err := p.arena.bytes(int64(rows) * int64(cols) * int64(t.Size()))
	p.fail(err)
	return ops.Matrix{Buffer: b, Offset: offset, Type: t, Rows: rows, Cols: cols, Stride: cols}
}

// vector returns room for n elements.
func (p *pass) vector(t ops.Type, n int) ops.Vector {
	b, offset, err := p.arena.bytes(int64(n) * int64(t.Size()))
	p.fail(err)
	return ops.Vector{Buffer: b, Offset: offset, Type: t, N: n}
}
