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
	src      tensor.Source
	engine   *engine
	coded    int                    // layers that take products of codes
	descs    map[string]tensor.Desc // of src, for rehearsals
	narrowed []string               // weights that become float16
	err      error
}

// linear loads a linear layer [out, in].
func (l *loader) linear(m hf.Module, out, in int, bias bool) *linear {
	return l.product(m, out, in, bias, false, out, in)
}

// product loads a linear layer whose weight is stored in another shape. Pairs are the
// values and gates of a SwiGLU layer.
func (l *loader) product(m hf.Module, out, in int, bias, pairs bool, stored ...int) *linear {
	layer := &linear{}
	view, ok := l.large(m.Weight(), stored...)
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
	if w.Type == ops.F16 && view.Type != typ && view.Type.Float() {
		l.narrowed = append(l.narrowed, view.Name)
	}
	if view.Type == typ || l.engine.rehearsal {
		w.Data = view.Data
		return false
	}
	values, err := view.Float32s()
	if err == nil {
		w.Data = make([]byte, 2*len(values))
		err = dtype.FromFloat32s(w.Data, values, typ)
	}
	l.err = err
	return false
}

// put uploads a layer.
func (l *loader) put(layer *linear, name string, w ops.Weights) {
	if l.err != nil {
		return
	}
	var b device.Buffer
	var err error
	if l.engine.rehearsal {
		if layer.Linear, b, err = l.engine.ops.Room(w); err != nil {
			err = fmt.Errorf("%w: %w; use the reference engine", err, ErrUnsupported)
		}
	} else {
		layer.Linear, b, err = l.tile(w)
	}
	if err != nil {
		l.err = fmt.Errorf("tensor %q: %w", name, err)
		return
	}
	l.engine.weights = append(l.engine.weights, b)
}

func (l *loader) tile(w ops.Weights) (*ops.Linear, device.Buffer, error) {
	tiled, err := ops.Tile(w)
	if err != nil {
		return nil, device.Buffer{}, err
	}
	return l.engine.ops.Put(tiled)
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
	b := l.room(int64(len(raw)))
	if l.err == nil {
		l.err = l.engine.device.Upload(b, 0, raw)
	}
	return b
}

// room takes bytes that are kept with the weights.
func (l *loader) room(bytes int64) device.Buffer {
	b, err := l.engine.device.Alloc(bytes)
	if l.err = err; err == nil {
		l.engine.weights = append(l.engine.weights, b)
	}
	return b
}

// embeddingType returns the type that a token embedding has on the device: the stored
// one, or float32 for what kernels don't look up.
func embeddingType(stored dtype.Type) ops.Type {
	for t, known := range floatTypes {
		if known == stored {
			return t
		}
	}
	return ops.F32
}

// embedding loads the token embedding [rows, d] as it is stored; codes become
// float32 numbers.
func (l *loader) embedding(m hf.Module, rows, d int) ops.Matrix {
	view, ok := l.large(m.Weight(), rows, d)
	if !ok {
		return ops.Matrix{}
	}
	t := embeddingType(view.Type)
	if l.engine.rehearsal {
		return ops.MatrixOf(l.room(int64(rows)*int64(d)*int64(t.Size())), t, rows, d)
	}
	if floatTypes[t] == view.Type {
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

// large is read, but for a rehearsal, which has no use for the values of matrices.
func (l *loader) large(name string, shape ...int) (tensor.View, bool) {
	if l.err != nil || !l.engine.rehearsal {
		return l.read(name, shape...)
	}
	if l.descs == nil {
		l.descs = map[string]tensor.Desc{}
		for _, d := range l.src.Descs() {
			l.descs[d.Name] = d
		}
	}
	d, err := tensor.FindShaped(l.descs, name, shape)
	l.err = err
	return tensor.View{Desc: d}, err == nil
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
