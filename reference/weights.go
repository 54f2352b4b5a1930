package reference

import (
	"errors"

	"github.com/nlpodyssey/spago/nn"

	"colakit/formats/hf"
	"colakit/formats/tensor"
)

// loader reads a model's weights from a source under their native names. The first
// error sticks in err, and what is built after it is of no use.
//
// Under the exact contract a stored f32 weight is used in place: a mapped file is
// read as the run gets to it. Other types, and the released contract's roundings,
// make copies.
type loader[T number] struct {
	src      tensor.Source
	released bool
	workers  int
	err      error
}

// linear reads a Linear [out, in].
func (l *loader[T]) linear(m hf.Module, out, in int, bias bool) *Linear[T] {
	return l.product(m, out, in, bias, out, in)
}

// product reads a Linear [out, in] whose weight is stored in another shape. Weight
// and bias are operands of a product: the released contract rounds them.
func (l *loader[T]) product(m hf.Module, out, in int, bias bool, stored ...int) *Linear[T] {
	layer := &Linear[T]{in: in, out: out}
	layer.W = l.param(m.Weight(), l.released, out, in, stored...)
	if bias {
		layer.B = l.param(m.Bias(), l.released, out, 1, out)
	}
	return layer
}

// norm reads a LayerNorm. Its parameters stay as they are under both contracts.
func (l *loader[T]) norm(m hf.Module, width int, eps float64, affine bool) *LayerNorm[T] {
	layer := &LayerNorm[T]{width: width, eps: eps}
	if affine {
		layer.W = l.param(m.Weight(), false, width, 1, width)
		layer.B = l.param(m.Bias(), false, width, 1, width)
	}
	return layer
}

// param reads a tensor of the stored shape as a matrix.
func (l *loader[T]) param(name string, narrow bool, rows, cols int, stored ...int) *nn.Param {
	view, ok := l.read(name, stored...)
	if !ok {
		return nil
	}
	data, err := floats[T](view)
	if err == nil && narrow {
		data = l.narrowed(data)
	}
	var m *matrix[T]
	if err == nil {
		m, err = matrixOf(data, rows, cols)
	}
	if err != nil {
		l.err = err
		return nil
	}
	return parameter(m)
}

// narrowed returns a copy rounded to bfloat16.
func (l *loader[T]) narrowed(data []T) []T {
	out := make([]T, len(data))
	spread(l.workers, len(data), 2, func(from, to int) {
		copy(out[from:to], data[from:to])
		roundBF16(out[from:to])
	})
	return out
}

// read returns a tensor of exactly the given shape.
func (l *loader[T]) read(name string, shape ...int) (tensor.View, bool) {
	if l.err != nil {
		return tensor.View{}, false
	}
	view, err := l.src.Read(name)
	switch {
	case errors.Is(err, tensor.ErrNotFound):
		l.err = tensor.Damagedf("tensor %q is missing; the configuration calls for one of shape %v", name, tensor.Shape(shape))
	case err != nil:
		l.err = err
	case !view.Shape.Equal(shape):
		l.err = tensor.Damagedf("tensor %q has shape %v; the configuration calls for %v", name, view.Shape, tensor.Shape(shape))
	case !view.Type.Float():
		l.err = tensor.Damagedf("tensor %q is of type %v; wanted a floating-point type", name, view.Type)
	}
	return view, l.err == nil
}

// frequencies returns the stored rotary frequencies, and those that follow from
// the configuration where none are stored.
func (l *loader[T]) frequencies(name string, computed []float32) []float32 {
	if l.err != nil {
		return computed
	}
	if _, err := l.src.Read(name); errors.Is(err, tensor.ErrNotFound) {
		return computed
	}
	view, ok := l.read(name, len(computed))
	if !ok {
		return computed
	}
	stored, err := view.Float32s()
	if err != nil {
		l.err = err
	}
	return stored
}

// embedding keeps a view of the token embedding [rows, d].
func (l *loader[T]) embedding(m hf.Module, rows, d int) *embedding[T] {
	view, ok := l.read(m.Weight(), rows, d)
	if size, err := view.Bytes(); ok && (err != nil || size != int64(len(view.Data))) {
		l.err = tensor.Damagedf("tensor %q: %d bytes do not hold shape %v of %v", view.Name, len(view.Data), view.Shape, view.Type)
	}
	return &embedding[T]{table: view}
}
