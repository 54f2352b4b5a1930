package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/kernels/device"
	"colakit/kernels/ops"
	"colakit/reference/generate"
)

// loader brings a model's weights from a source to the device. The first error
// sticks in err, and what is built after it is of no use.
type loader struct {
	src    tensor.Source
	engine *engine
	coded  int // layers that take products of codes
	err    error
}

// linear loads a linear layer [out, in].
func (l *loader) linear(m hf.Module, out, in int, bias bool) *linear {
	return l.product(m, out, in, bias, false, out, in)
}

// product loads a linear layer whose weight is stored in another shape. Pairs are the
// values and gates of a SwiGLU layer.
func (l *loader) product(m hf.Module, out, in int, bias, pairs bool, stored ...int) *linear {
	layer := &linear{}
	view, ok := l.read(m.Weight(), stored...)
	if !ok {
		return layer
	}
	w := ops.Weights{Out: out, In: in, Pairs: pairs}
	layer.codes = l.fill(&w, view) && l.engine.options.Activations == generate.Int8Activations
	if layer.codes {
		l.coded++
	}
	if bias {
		w.Bias = l.bias(m.Bias(), out)
	}
	l.put(layer, m.Weight(), w)
	return layer
}

// fill gives the layer its weights as the kernels take them, and reports whether
// these are codes.
func (l *loader) fill(w *ops.Weights, view tensor.View) (codes bool) {
	if q := view.Quantization; q != nil && len(view.Shape) == 2 {
		w.Type, w.Data, w.Scales, w.Group = ops.I8, view.Data, view.Scales, q.Group
		w.ScaleType = ops.F32
		if q.Scale == dtype.F16 {
			w.ScaleType = ops.F16
		}
		return true
	}
	w.Type = l.engine.types.act
	typ := floatTypes[w.Type]
	if view.Type == typ {
		w.Data = view.Data
		return false
	}
	values, err := view.Float32s()
	if err == nil {
		w.Data = make([]byte, 2*len(values))
		err = dtype.FromFloat32s(w.Data, values, typ)
	}
	if err == nil {
		err = fitsType(view.Name, values, typ)
	}
	l.err = err
	return false
}

// largestF16 is the largest float16 number, and what is rounded to it.
const largestF16 = 65519

// fitsType refuses weights that a float16 does not hold.
func fitsType(name string, values []float32, t dtype.Type) error {
	if t != dtype.F16 {
		return nil
	}
	for i, v := range values {
		if v > largestF16 || v < -largestF16 {
			return fmt.Errorf("tensor %q: element %d is %g, which float16 does not hold: run under the released contract, or use the reference engine", name, i, v)
		}
	}
	return nil
}

// put uploads a layer.
func (l *loader) put(layer *linear, name string, w ops.Weights) {
	if l.err != nil {
		return
	}
	tiled, err := ops.Tile(w)
	if err != nil {
		l.err = fmt.Errorf("tensor %q: %w", name, err)
		return
	}
	var b device.Buffer
	if layer.Linear, b, err = l.engine.ops.Put(tiled); err != nil {
		l.err = fmt.Errorf("tensor %q: %w", name, err)
		return
	}
	l.engine.weights = append(l.engine.weights, b)
}

// bias reads an operand of a product: the released contract rounds it.
func (l *loader) bias(name string, n int) []float32 {
	view, ok := l.read(name, n)
	if !ok {
		return nil
	}
	values, err := view.Float32s()
	l.err = err
	out := append([]float32(nil), values...)
	if l.engine.options.Contract == generate.Released {
		for i, v := range out {
			out[i] = dtype.RoundBF16(v)
		}
	}
	return out
}

// norm loads a LayerNorm. Its parameters stay as they are under both contracts.
func (l *loader) norm(m hf.Module, width int, eps float64, affine bool) *norm {
	layer := &norm{width: width, eps: float32(eps)}
	if affine {
		layer.gamma, layer.beta = l.vector(m.Weight(), width), l.vector(m.Bias(), width)
	}
	return layer
}

func (l *loader) vector(name string, n int) ops.Vector {
	view, ok := l.read(name, n)
	if !ok {
		return ops.Vector{}
	}
	values, err := view.Float32s()
	l.err = err
	return l.floats(values)
}

// floats uploads float32 numbers.
func (l *loader) floats(values []float32) ops.Vector {
	raw := make([]byte, 0, 4*len(values))
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	return ops.VectorOf(l.upload(raw), ops.F32, len(values))
}

// upload brings bytes to a buffer of their own.
func (l *loader) upload(raw []byte) device.Buffer {
	if l.err != nil || len(raw) == 0 {
		return device.Buffer{}
	}
	b, err := l.engine.device.Alloc(int64(len(raw)))
	if err == nil {
		l.engine.weights = append(l.engine.weights, b)
		err = l.engine.device.Upload(b, 0, raw)
	}
	l.err = err
	return b
}

// embedding loads the token embedding [rows, d] as it is stored; codes become
// float32 numbers.
func (l *loader) embedding(m hf.Module, rows, d int) ops.Matrix {
	view, ok := l.read(m.Weight(), rows, d)
	if !ok {
		return ops.Matrix{}
	}
	if t := embeddingType(view.Type); floatTypes[t] == view.Type {
		return ops.MatrixOf(l.upload(view.Data), t, rows, d)
	}
	values, err := view.Float32s()
	if err != nil {
		l.err = err
		return ops.Matrix{}
	}
	v := l.floats(values)
	return ops.MatrixOf(v.Buffer, ops.F32, rows, d)
}

// frequencies returns the stored rotary frequencies, and those that follow from the
// configuration where none are stored.
func (l *loader) frequencies(name string, computed []float32) []float32 {
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
	l.err = err
	return stored
}

// read returns a tensor of exactly the given shape.
func (l *loader) read(name string, shape ...int) (tensor.View, bool) {
	if l.err != nil {
		return tensor.View{}, false
	}
	view, err := tensor.ReadShaped(l.src, name, shape)
	l.err = err
	return view, err == nil
}
