package engine

import (
	"errors"

	"colakit/kernels/ops"
)

// rotary holds the sines and cosines of every position that was reached.
type rotary struct {
	frequency    ops.Vector
	pairs        int
	sine, cosine ops.Matrix
	step         ops.Type // that sines, cosines, products and sums are rounded to
	interleaved  bool
	grown        int // how often it was reallocated; recorded launches hold addresses
}

// minPositions are computed at least.
const minPositions = 1024

// reach makes sure of the positions below n.
func (r *rotary) reach(e *engine, n int) error {
	if n <= r.sine.Rows {
		return nil
	}
	n = max(n, 2*r.sine.Rows, minPositions)
	if err := r.free(e); err != nil {
		return err
	}
	for _, m := range []*ops.Matrix{&r.sine, &r.cosine} {
		b, err := e.device.Alloc(int64(n) * int64(r.pairs) * 4)
		if err != nil {
			return err
		}
		*m = ops.MatrixOf(b, ops.F32, n, r.pairs)
	}
	r.grown++
	return e.ops.RotaryTable(r.sine, r.cosine, r.frequency)
}

func (r *rotary) rotation() ops.Rotation {
	return ops.Rotation{Sine: r.sine, Cosine: r.cosine, Interleaved: r.interleaved, Step: r.step}
}

// free gives the tables back to the device.
func (r *rotary) free(e *engine) error {
	var errs []error
	for _, m := range []*ops.Matrix{&r.sine, &r.cosine} {
		if m.Rows > 0 {
			errs = append(errs, e.device.Free(m.Buffer))
		}
		*m = ops.Matrix{}
	}
	return errors.Join(errs...)
}
