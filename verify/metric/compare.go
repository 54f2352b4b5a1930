package metric

import (
	"bytes"
	"context"
	"fmt"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
)

// Band is the tolerance of a single element: |a−e| ≤ Atol + Rtol·|e|.
type Band struct {
	Atol float64 `json:"atol"`
	Rtol float64 `json:"rtol"`
}

// Options say how to compare.
type Options struct {
	Band Band
	// Unit is the type that distances are counted in; Invalid: the reference's.
	Unit dtype.Type
}

// chunk is the number of elements decoded at a time: both sides stay in the first
// level of a processor's cache.
const chunk = 1024

// Compare measures got against want. Shapes must be equal; the types may be any
// two floating-point types. Large tensors are divided among the processors; the
// figures do not depend on their number.
func Compare(ctx context.Context, got, want tensor.View, o Options) (Summary, error) {
	if !got.Shape.Equal(want.Shape) {
		return Summary{}, fmt.Errorf("%s: shape %v, want %v", want.Name, got.Shape, want.Shape)
	}
	if err := checkFloats(got, want); err != nil {
		return Summary{}, err
	}
	if o.Unit == dtype.Invalid {
		o.Unit = want.Type
	}
	cols := lastAxis(want.Shape)
	n := len(want.Data) / want.Type.Size()
	parts, err := divide(ctx, n, cols, func(ctx context.Context, from, to int) (*accumulator, error) {
		acc := newAccumulator(n, cols, int64(from), o)
		return acc, acc.read(ctx, got, want, to)
	})
	if err != nil {
		return Summary{}, err
	}
	for _, p := range parts[1:] {
		parts[0].merge(p)
	}
	return parts[0].summary(), nil
}

// checkFloats returns an error unless the views hold numbers of their shapes.
func checkFloats(views ...tensor.View) error {
	for _, v := range views {
		if size, err := v.Bytes(); err != nil {
			return err
		} else if size != int64(len(v.Data)) || !v.Type.Float() {
			return fmt.Errorf("%s: %d bytes of %v do not hold shape %v", v.Name, len(v.Data), v.Type, v.Shape)
		}
	}
	return nil
}

// read adds the elements up to to, in row-major order. Where both sides have the
// same bytes one of them is decoded.
func (acc *accumulator) read(ctx context.Context, got, want tensor.View, to int) error {
	var a, e [chunk]float64
	for at := int(acc.at); at < to; at += chunk {
		if err := ctx.Err(); err != nil {
			return err
		}
		m := min(chunk, to-at)
		if err := decode(e[:m], want, at); err != nil {
			return err
		}
		if got.Type == want.Type && bytes.Equal(raw(got, at, m), raw(want, at, m)) {
			acc.add(e[:m], e[:m])
			continue
		}
		if err := decode(a[:m], got, at); err != nil {
			return err
		}
		acc.add(a[:m], e[:m])
	}
	return nil
}

// raw returns the bytes of n elements from at on.
func raw(v tensor.View, at, n int) []byte {
	size := v.Type.Size()
	return v.Data[at*size : (at+n)*size]
}

func decode(dst []float64, v tensor.View, at int) error {
	return dtype.Float64s(dst, raw(v, at, len(dst)), v.Type)
}

func lastAxis(s tensor.Shape) int {
	if len(s) == 0 {
		return 1
	}
	return max(s[len(s)-1], 1)
}
