package operation

import (
	"fmt"

	"colakit/formats/hf"
	"colakit/formats/tensor"
	codec "colakit/quantize/int8"
	"colakit/reference/generate"
)

// linear returns x·Wᵀ + b for x [R, in] and the rows from…to of the weight [out, in]
// of a module:
//
//	y[r,j] = Σ_i x[r,i]·W[j,i] + b[j]
//
// Under the released contract x, W and b are rounded to bfloat16, and so is y. The
// numbers code·scale of an 8-bit W are not: kernels multiply codes and scale the sums.
func (e *evaluation) linear(f *form, m hf.Module, x matrix, out, from, to int) matrix {
	if e.err != nil {
		return matrix{}
	}
	y, coded := e.codedProduct(f, m, x, out, from, to)
	if !coded {
		w := e.weightRows(f, m.Weight(), out, x.cols, from, to)
		if e.err != nil {
			return matrix{}
		}
		y = product(x.each(f.operand), w, to-from)
	}
	if f.early {
		y = f.hold(y, e.released())
	}
	e.addBias(f, m.Bias(), y, out, from)
	return f.hold(y, e.released())
}

// product returns x·Wᵀ for x [R, k] and w [n, k].
func product(x matrix, w []float64, n int) matrix {
	y := newMatrix(x.rows, n)
	for r := range x.rows {
		row, dst := x.row(r), y.row(r)
		for j := range dst {
			dst[j] = dot(row, w[j*x.cols:(j+1)*x.cols])
		}
	}
	return y
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for i, x := range a {
		sum += x * b[i]
	}
	return sum
}

// addBias adds the elements from…from+columns of a bias [out], where there is one.
func (e *evaluation) addBias(f *form, name string, y matrix, out, from int) {
	b, ok := e.vector(f, name, out)
	if !ok || e.err != nil {
		return
	}
	times := 1.0
	if f.twice == name {
		times = 2
	}
	for r := range y.rows {
		for j := range y.cols {
			y.row(r)[j] += times * f.weight(b[f.place(name, from+j)])
		}
	}
}

// vector reads a tensor [n]; ok is false for one that the model does not have.
func (e *evaluation) vector(f *form, name string, n int) (values []float64, ok bool) {
	name, ok = f.nameOf(name)
	if !ok || !e.has(name) {
		return nil, false
	}
	view, err := e.Weights.Read(name)
	if err == nil && !view.Shape.Equal(tensor.Shape{n}) {
		err = tensor.Damagedf("%s has shape %v, wanted [%d]", name, view.Shape, n)
	}
	if err == nil {
		values, err = view.Float64s()
	}
	if err != nil {
		e.fail(err)
	}
	return values, err == nil
}

// nameOf returns the tensor that is read for name; ok is false for none.
func (f *form) nameOf(name string) (string, bool) {
	other, replaced := f.tensor[name]
	if replaced {
		return other, other != ""
	}
	return name, true
}

// has reports whether the model has a tensor.
func (c *Call) has(name string) bool {
	_, ok := c.shapes()[name]
	return ok
}

// shapes returns the shapes of all tensors.
func (c *Call) shapes() map[string]tensor.Shape {
	c.once.Do(func() {
		c.held = map[string]tensor.Shape{}
		for _, d := range c.Weights.Descs() {
			c.held[d.Name] = d.Shape
		}
	})
	return c.held
}

// weightRows returns the rows from…to of a weight [out, in], as a product uses them.
func (e *evaluation) weightRows(f *form, name string, out, in, from, to int) []float64 {
	own := name
	name, _ = f.nameOf(name)
	view, err := e.Weights.Read(name)
	var all []float64
	if err == nil {
		all, err = numbers(view, f.sources)
	}
	if err == nil && len(all) != out*in {
		err = tensor.Damagedf("%s has shape %v, wanted [%d, %d]", name, view.Shape, out, in)
	}
	if err != nil {
		e.fail(err)
		return nil
	}
	round := f.weight
	if view.Quantization != nil {
		round = unrounded
	}
	w := make([]float64, (to-from)*in)
	for j := from; j < to; j++ {
		row := f.place(own, j)
		for i := range in {
			at := row*in + i
			if f.transposed == own {
				at = i*out + j
			}
			w[(j-from)*in+i] = round(all[at])
		}
	}
	return w
}

// codedProduct takes the product in 8-bit codes, where the run does so: with x
// quantised row by row,
//
//	y[r,j] = sx[r] · Σ_g sw[j,g] · Σ_{i in g} qx[r,i]·qw[j,i]
func (e *evaluation) codedProduct(f *form, m hf.Module, x matrix, out, from, to int) (y matrix, ok bool) {
	name, _ := f.nameOf(m.Weight())
	if e.Run.Activations != generate.Int8Activations {
		return y, false
	}
	view, err := e.Weights.Read(name)
	if err != nil || view.Quantization == nil || len(view.Shape) != 2 {
		return y, false // the plain product reports what is wrong
	}
	q, in := *view.Quantization, x.cols
	scales, err := view.ScaleFloat32s()
	if err != nil || len(view.Data) != out*in {
		return e.fail(fmt.Errorf("%s: %d codes for %d outputs of %d inputs: %w", name, len(view.Data), out, in, tensor.ErrDamaged)), true
	}
	codes, rowScales := make([]int8, len(x.data)), make([]float32, x.rows)
	if err := codec.QuantizeTokens(codes, rowScales, float32s(x.each(f.operand).data), x.rows, in); err != nil {
		return e.fail(err), true
	}
	y = newMatrix(x.rows, to-from)
	for r := range x.rows {
		for j := from; j < to; j++ {
			sum := 0.0
			for i := range in {
				scale := scales[j*q.ScalesPerRow(in)+i/q.Width(in)]
				sum += float64(scale) * float64(codes[r*in+i]) * float64(int8(view.Data[j*in+i]))
			}
			y.row(r)[j-from] = sum * float64(rowScales[r])
		}
	}
	return y, true
}

func float32s(values []float64) []float32 {
	out := make([]float32, len(values))
	for i, x := range values {
		out[i] = float32(x)
	}
	return out
}

// clamped limits the elements to ±limit.
func clamped(m matrix, limit float64) matrix {
	return m.each(func(x float64) float64 { return max(min(x, limit), -limit) })
}
