package reference

import (
	"slices"
	"sync"

	"colakit/formats/tensor"
	codec "colakit/quantize/int8"
)

// codedWeights is a weight matrix whose products are taken in codes, as kernels for
// 8-bit weights and activations take them. With x quantised row by row, symmetric
// and by the largest magnitude (see package quantize/int8),
//
//	y[r,j] = sx[r] · Σ_g sw[j,g]·S[r,j,g]    S[r,j,g] = Σ_{i in g} qx[r,i]·qw[j,i]
//
// S is the exact integer, which an int32 holds. It is rounded to float32, and so are
// its product with the scale of the group, the sum over the groups in ascending
// order, and the product with the scale of the row. Weights of one scale for each
// output have one group.
type codedWeights struct {
	tiling
	view   tensor.View // I8, [out, in]
	width  int         // elements of a group
	groups int         // of a row
	scales []float32   // [out, groups]
	spaces sync.Pool   // of *codedSpace
}

const (
	// exactTerms is the number of products of two codes whose sum no float32 rounds,
	// in any order: 2¹⁰ of 2¹⁴ and less.
	exactTerms = 1 << 10
	// maxCodedInputs is the number of products of two codes that an int32 holds.
	maxCodedInputs = (1<<31 - 1) / (128 * 128)
)

func newCodedWeights(view tensor.View) (*codedWeights, error) {
	out, in := view.Shape[0], view.Shape[1]
	scales, err := view.ScaleFloat32s()
	if err != nil {
		return nil, err
	}
	if in > maxCodedInputs {
		return nil, tensor.Damagedf("tensor %q: sums of %d products of codes may exceed an int32; it holds %d", view.Name, in, maxCodedInputs)
	}
	q := view.Quantization
	w := &codedWeights{tiling: tilingOf(out, in), view: view, width: q.Width(in), groups: q.ScalesPerRow(in), scales: scales}
	w.spaces.New = func() any { return &codedSpace{weights: make([]float32, w.height*in)} }
	return w, nil
}

// multiply computes dst = x·Wᵀ for x [rows, in] and dst [rows, out]. It is an error
// if x is not finite.
func (w *codedWeights) multiply(dst, x []float32, rows, workers int) error {
	if rows == 0 {
		return nil
	}
	codes, scales := make([]int8, len(x)), make([]float32, rows)
	if err := codec.QuantizeTokens(codes, scales, x, rows, w.in); err != nil {
		return err
	}
	wide := make([]float32, len(codes))
	for i, q := range codes {
		wide[i] = float32(q)
	}
	w.spread(workers, rows, func(first, n int) {
		space := w.spaces.Get().(*codedSpace)
		defer w.spaces.Put(space)
		w.multiplyTile(space, dst, wide, scales, first, n)
	})
	return nil
}

// codedSpace is what a tile needs.
type codedSpace struct {
	weights []float32 // the codes, [n, in]
	partial []float32 // sums of exactTerms products and fewer, [rows, n]
	sums    []int32   // of a group, [rows, n]
}

// multiplyTile computes the columns of dst that belong to the n rows from first on,
// given the codes of x and the scales of its rows.
func (w *codedWeights) multiplyTile(s *codedSpace, dst, x, scales []float32, first, n int) {
	for i, q := range w.view.Data[first*w.in : (first+n)*w.in] {
		s.weights[i] = float32(int8(q))
	}
	for r := range scales {
		clear(dst[r*w.out+first:][:n])
	}
	for g := range w.groups {
		s.sum(x, len(scales), n, w.in, g*w.width, min((g+1)*w.width, w.in))
		for r := range scales {
			for j, y := range dst[r*w.out+first:][:n] {
				dst[r*w.out+first+j] = y + float32(w.scales[(first+j)*w.groups+g]*float32(s.sums[r*n+j]))
			}
		}
	}
	for r, scale := range scales {
		for j := range n {
			dst[r*w.out+first+j] *= scale
		}
	}
}

// sum sets sums to the products of the columns from…to of x and of the tile, taken
// in float32 where that is exact.
func (s *codedSpace) sum(x []float32, rows, n, in, from, to int) {
	s.partial = slices.Grow(s.partial[:0], rows*n)[:rows*n]
	s.sums = slices.Grow(s.sums[:0], rows*n)[:rows*n]
	clear(s.sums)
	for ; from < to; from += exactTerms {
		multiply(s.partial, n, x[from:], in, s.weights[from:], in, rows, n, min(exactTerms, to-from), 1)
		for i, sum := range s.partial {
			s.sums[i] += int32(sum)
		}
	}
}
