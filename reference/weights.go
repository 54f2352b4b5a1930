package reference

import (
	"errors"

	"github.com/nlpodyssey/spago/nn"

	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/formats/tensor"
)

// loader reads a model's weights from a source under their native names. The first
// error sticks in err, and what is built after it is of no use.
//
// A weight matrix that is stored as T is used in place: a mapped file is read as
// the run gets to it. A large one of another type stays as it is stored, floats
// rounded to bfloat16 where the released contract asks for that; see storedWeights.
// All else is small, and copied.
//
// A quantised tensor stands for the numbers code·scale, rounded to float32, under both
// contracts: the released one rounds no weight of a product twice. So kernels see it
// that multiply codes, which bfloat16 holds as they are, and scale the sums. Rounding
// code·scale to bfloat16 would add an error of 1.7e-3 rms to every weight.
type loader[T number] struct {
	src      tensor.Source
	released bool
	int8     bool // int8 activations: layers with int8 weights multiply codes
	workers  int
	coded    int          // layers that do
	schedule *hf.Schedule // of the AdaLN table that src holds; nil: it holds none
	err      error
}

// large is the number of elements from which on a weight matrix of another type
// than T is not widened as a whole.
const large = 1 << 20

// linear reads a Linear [out, in].
func (l *loader[T]) linear(m hf.Module, out, in int, bias bool) *Linear[T] {
	return l.product(m, out, in, bias, out, in)
}

// product reads a Linear [out, in] whose weight is stored in another shape. Weight
// and bias are operands of a product: the released contract rounds them, but for a
// matrix of codes.
func (l *loader[T]) product(m hf.Module, out, in int, bias bool, stored ...int) *Linear[T] {
	layer := &Linear[T]{in: in, out: out}
	if view, ok := l.read(m.Weight(), stored...); ok {
		narrow := l.released && view.Quantization == nil
		switch {
		case l.int8 && view.Quantization != nil && len(stored) == 2:
			layer.stored = l.codes(view)
		case out*in < large || view.Type == typeOf[T]() && !l.released:
			layer.W = l.param(view, narrow, out, in)
		case narrow && view.Type != dtype.BF16:
			layer.stored = newStoredWeights[T](l.packed(view, out*in), out, in)
		default:
			layer.stored = newStoredWeights[T](view, out, in)
		}
	}
	if bias {
		layer.B = l.vector(m.Bias(), l.released, out)
	}
	return layer
}

// codes returns a quantised matrix [out, in] whose products are taken in codes.
func (l *loader[T]) codes(view tensor.View) products[T] {
	w, err := newCodedWeights(view)
	l.err = err
	l.coded++
	w32, ok := any(w).(products[T])
	if !ok && err == nil {
		l.err = errors.New("int8 activations are scaled in float32; they have no float64 form")
	}
	return w32
}

// norm reads a LayerNorm. Its parameters stay as they are under both contracts.
func (l *loader[T]) norm(m hf.Module, width int, eps float64, affine bool) *LayerNorm[T] {
	layer := &LayerNorm[T]{width: width, eps: eps}
	if affine {
		layer.W = l.vector(m.Weight(), false, width)
		layer.B = l.vector(m.Bias(), false, width)
	}
	return layer
}

func (l *loader[T]) vector(name string, narrow bool, width int) *nn.Param {
	view, ok := l.read(name, width)
	if !ok {
		return nil
	}
	return l.param(view, narrow, width, 1)
}

// param returns a tensor as a matrix, in place if it can be.
func (l *loader[T]) param(view tensor.View, narrow bool, rows, cols int) *nn.Param {
	data, err := floats[T](view)
	if err == nil && narrow {
		data = append([]T(nil), data...)
		roundBF16(data)
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

// packed returns the n elements of a tensor rounded to bfloat16, in that type.
func (l *loader[T]) packed(view tensor.View, n int) tensor.View {
	out := view
	out.Type, out.Data = dtype.BF16, make([]byte, 2*n)
	const chunk = tileElements
	spread(l.workers, (n+chunk-1)/chunk, 4*chunk, func(from, to int) {
		space := make([]float32, chunk)
		for i := from * chunk; i < min(to*chunk, n); i += chunk {
			part := space[:min(chunk, n-i)]
			_ = widen(part, view, i) // read made sure that the sizes fit
			_ = dtype.FromFloat32s(out.Data[2*i:2*(i+len(part))], part, dtype.BF16)
		}
	})
	return out
}

// typeOf returns the element type that T is.
func typeOf[T number]() dtype.Type {
	var zero T
	if _, ok := any(zero).(float64); ok {
		return dtype.F64
	}
	return dtype.F32
}

// read returns a tensor of exactly the given shape.
func (l *loader[T]) read(name string, shape ...int) (tensor.View, bool) {
	if l.err != nil {
		return tensor.View{}, false
	}
	view, err := tensor.ReadShaped(l.src, name, shape)
	l.err = err
	return view, err == nil
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
	view, _ := l.read(m.Weight(), rows, d)
	return &embedding[T]{table: view}
}
