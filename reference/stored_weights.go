package reference

import (
	"sync"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
	codec "colakit/quantize/int8"
)

// storedWeights is a weight matrix that stays in a type other than T: spago has no
// matrices of 16 or 8 bits, and a widened copy of the released models takes 9 GB.
// Tiles of its rows are widened when they are multiplied, codes to the numbers that
// they stand for.
type storedWeights[T number] struct {
	tiling
	view   tensor.View // a float type or a quantised one; the bytes of out·in elements
	spaces sync.Pool   // of *[]T, for a tile
}

func newStoredWeights[T number](view tensor.View, out, in int) *storedWeights[T] {
	w := &storedWeights[T]{tiling: tilingOf(out, in), view: view}
	w.spaces.New = func() any { space := make([]T, w.height*in); return &space }
	return w
}

// multiply computes dst = x·Wᵀ for x [rows, in] and dst [rows, out]. The bits are
// those of the widened matrix.
func (w *storedWeights[T]) multiply(dst, x []T, rows, workers int) error {
	var once sync.Once
	var failure error
	w.spread(workers, rows, func(first, n int) {
		space := w.spaces.Get().(*[]T)
		defer w.spaces.Put(space)
		weights := (*space)[:n*w.in]
		if err := widen(weights, w.view, first*w.in); err != nil {
			once.Do(func() { failure = err })
			return
		}
		multiply(dst[first:], w.out, x, w.in, weights, w.in, rows, n, w.in, 1)
	})
	return failure
}

// tiling cuts a matrix [out, in] into tiles of whole rows.
type tiling struct {
	out, in int
	height  int // rows of a tile; the last may have fewer
}

// tileElements is about the size of a tile, for it to stay in the second-level cache.
const tileElements = 64 << 10

func tilingOf(out, in int) tiling {
	return tiling{out, in, max(tileElements/max(in, 1), 1)}
}

// spread calls fn for every tile, its first row and its rows, on up to workers
// goroutines; rows are those that are multiplied by the matrix.
func (t tiling) spread(workers, rows int, fn func(first, n int)) {
	count := (t.out + t.height - 1) / t.height
	spread(workers, count, rows*t.height*t.in, func(from, to int) {
		for first := from * t.height; first < min(to*t.height, t.out); first += t.height {
			fn(first, min(t.height, t.out-first))
		}
	})
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
	q, cols := *v.Quantization, v.Shape[len(v.Shape)-1]
	rows, codes := len(dst)/cols, v.Data[from:from+len(dst)]
	rowScales := q.ScalesPerRow(cols) * q.Scale.Size()
	scales := v.Scales[from/cols*rowScales:][:rows*rowScales]
	if codec.Dequantize(dst, codes, scales, rows, cols, q) != nil { // groups that it has no fast code for
		q.Dequantize(dst, codes, scales, cols)
	}
}
