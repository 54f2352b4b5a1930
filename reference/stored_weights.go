package reference

import (
	"sync"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
)

// storedWeights is a weight matrix that stays in a type other than T: spago has no
// matrices of 16 or 8 bits, and a widened copy of the released models takes 9 GB.
// Tiles of its rows are widened when they are multiplied, codes to the numbers that
// they stand for.
type storedWeights[T number] struct {
	view      tensor.View // a float type or a quantised one; the bytes of out·in elements
	narrow    bool        // round what is widened to bfloat16
	out, in   int
	tiles     int // of tileRows rows, the last perhaps of fewer
	tileRows  int
	tileSpace sync.Pool // of *[]T
}

// tileElements is about the size of a tile, for it to stay in the second-level cache.
const tileElements = 64 << 10

func newStoredWeights[T number](view tensor.View, narrow bool, out, in int) *storedWeights[T] {
	w := &storedWeights[T]{view: view, narrow: narrow, out: out, in: in}
	w.tileRows = max(tileElements/max(in, 1), 1)
	w.tiles = (out + w.tileRows - 1) / w.tileRows
	w.tileSpace.New = func() any { space := make([]T, w.tileRows*in); return &space }
	return w
}

// multiply computes dst = x·Wᵀ for x [rows, in] and dst [rows, out]. The bits are
// those of the widened matrix.
func (w *storedWeights[T]) multiply(dst, x []T, rows, workers int) error {
	var once sync.Once
	var failure error
	spread(workers, w.tiles, rows*w.tileRows*w.in, func(from, to int) {
		space := w.tileSpace.Get().(*[]T)
		defer w.tileSpace.Put(space)
		for tile := from; tile < to; tile++ {
			first := tile * w.tileRows
			n := min(w.tileRows, w.out-first)
			weights := (*space)[:n*w.in]
			if err := widen(weights, w.view, first*w.in); err != nil {
				once.Do(func() { failure = err })
				return
			}
			if w.narrow {
				roundBF16(weights)
			}
			multiply(dst[first:], w.out, x, w.in, weights, w.in, rows, n, w.in, 1)
		}
	})
	return failure
}

// widen decodes len(dst) elements of v, from the given one on; of a quantised
// tensor those are whole rows.
func widen[T number](dst []T, v tensor.View, from int) error {
	single, ok := any(dst).([]float32)
	switch {
	case v.Quantization != nil && ok:
		dequantize(single, v, from)
		return nil
	case v.Quantization != nil:
		single = make([]float32, len(dst))
		dequantize(single, v, from)
		for i, x := range single {
			dst[i] = T(x)
		}
		return nil
	}
	size := v.Type.Size()
	data := v.Data[from*size : (from+len(dst))*size]
	if ok {
		return dtype.Float32s(single, data, v.Type)
	}
	return dtype.Float64s(any(dst).([]float64), data, v.Type)
}

// dequantize is widen for a quantised tensor.
func dequantize(dst []float32, v tensor.View, from int) {
	cols := v.Shape[len(v.Shape)-1]
	scales := v.Scales[from/cols*v.Quantization.ScalesPerRow(cols)*v.Quantization.Scale.Size():]
	v.Quantization.Dequantize(dst, v.Data[from:from+len(dst)], scales, cols)
}
