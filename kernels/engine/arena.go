package engine

import (
	"errors"

	"colakit/kernels/device"
	"colakit/kernels/ops"
)

// arena gives out the memory of the values of a pass. All of it is given out anew in
// the next pass, in the same places if the same is asked for.
type arena struct {
	device device.Device
	chunks []device.Buffer
	chunk  int   // that is given out of
	used   int64 // of it
	grown  int   // how often memory was added; recorded launches hold addresses
}

const (
	chunkBytes = 4 << 20
	alignment  = 256
)

func aligned(n int64) int64 { return (n + alignment - 1) / alignment * alignment }

// reset takes everything back.
func (a *arena) reset() { a.chunk, a.used = 0, 0 }

// bytes returns n bytes at an offset of a buffer, valid until the next reset.
func (a *arena) bytes(n int64) (b device.Buffer, offset int64, err error) {
	n = aligned(max(n, 1))
	for ; a.chunk < len(a.chunks); a.chunk, a.used = a.chunk+1, 0 {
		if c := a.chunks[a.chunk]; c.Bytes-a.used >= n {
			offset, a.used = a.used, a.used+n
			return c, offset, nil
		}
	}
	if b, err = a.device.Alloc(max(n, chunkBytes)); err != nil {
		return b, 0, err
	}
	a.chunks, a.used = append(a.chunks, b), n
	a.grown++
	return b, 0, nil
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

// matrix returns room for [rows, cols] without gaps.
func (p *pass) matrix(t ops.Type, rows, cols int) ops.Matrix {
	b, offset, err := p.scratch.bytes(int64(rows) * int64(cols) * int64(t.Size()))
	p.fail(err)
	return ops.Matrix{Buffer: b, Offset: offset, Type: t, Rows: rows, Cols: cols, Stride: cols}
}

// vector returns room for n elements.
func (p *pass) vector(t ops.Type, n int) ops.Vector {
	b, offset, err := p.scratch.bytes(int64(n) * int64(t.Size()))
	p.fail(err)
	return ops.Vector{Buffer: b, Offset: offset, Type: t, N: n}
}
