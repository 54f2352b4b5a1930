package export

import (
	"fmt"
	"io"
	"math"
	"reflect"

	"colakit/formats/dtype"
	"colakit/formats/gguf"
	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/quantize"
)

// planGGUF lays a GGUF file out.
func planGGUF(m *model, o Options) (*layout, error) {
	l := &layout{}
	for _, d := range m.order {
		c, err := m.chooseGGUF(d, o)
		if err != nil {
			return nil, err
		}
		l.steps = append(l.steps, m.newStep(d, d.Name, c))
	}
	metadata, notes, err := ggufMetadata(m, l.steps)
	if err != nil {
		return nil, err
	}
	l.Notes = append(l.Notes, notes...)
	return l, l.addGGUF(metadata)
}

// chooseGGUF decides how a tensor is stored in a GGUF file.
func (m *model) chooseGGUF(d tensor.Desc, o Options) (choice, error) {
	switch {
	case m.vector(d):
		return choice{floats{dtype.F32}, "vectors keep 32 bits in GGUF"}, nil
	case o.Type == "q8_0":
		return m.chooseBlocks(d, o)
	case o.Type != Stored:
		t, _ := dtype.Parse(o.Type)
		return choice{floats{t}, "every matrix is " + o.Type + ", as asked"}, nil
	case d.Quantization == nil:
		return choice{floats{d.Type}, "as stored"}, nil
	case (blocks{}).repacks(d) && wholeBlocks(d.Shape):
		return choice{blocks{}, "groups of 32 codes with f16 scales are Q8_0 already"}, nil
	}
	return choice{}, fmt.Errorf("%s: tensor %q is %s, which GGUF can't hold as it is: name a type to export, q8_0, f16, bf16 or f32",
		m.File.Name(), d.Name, stored(d))
}

// trunk is the policy that says which matrices become codes or blocks.
var trunk = quantize.PolicyFor(quantize.Int8)

// chooseBlocks decides how a matrix is stored where Q8_0 is asked for: that of the
// trunk is, or the fallback where its rows are no whole blocks.
func (m *model) chooseBlocks(d tensor.Desc, o Options) (choice, error) {
	scheme, reason := trunk.Choose(m.expected[d.Name])
	switch {
	case (blocks{}).repacks(d) && wholeBlocks(d.Shape):
		return choice{blocks{}, "groups of 32 codes with f16 scales are Q8_0 already"}, nil
	case !scheme.Quantized():
		return m.chooseRest(d, reason), nil
	case wholeBlocks(d.Shape):
		return choice{blocks{}, "attention and MLP of the blocks are Q8_0, as asked"}, nil
	}
	return m.fallBack(d, o, o.Type, fmt.Sprintf("rows of %d elements are no whole blocks of %d", d.Shape[len(d.Shape)-1], q8Elements))
}

// chooseRest decides how a matrix outside the trunk is stored: in 16 bits, in those
// of the artifact where it has 16 already.
func (m *model) chooseRest(d tensor.Desc, reason string) choice {
	if d.Quantization == nil && (d.Type == dtype.F16 || d.Type == dtype.BF16) {
		return choice{floats{d.Type}, "as stored"}
	}
	return choice{floats{quantize.F16.Type}, reason}
}

// fallBack stores a matrix by the type for those that the wanted one can't hold.
func (m *model) fallBack(d tensor.Desc, o Options, wanted, why string) (choice, error) {
	t, err := dtype.Parse(o.Fallback)
	if err != nil {
		return choice{}, fmt.Errorf("%s: tensor %q %v can't be %s: %s; allow another type for such tensors (fallback f16)",
			m.File.Name(), d.Name, d.Shape, wanted, why)
	}
	return choice{floats{t}, o.Fallback + ", the fallback: " + why}, nil
}

// wholeBlocks reports whether rows are whole blocks of Q8_0.
func wholeBlocks(s tensor.Shape) bool {
	_, cols := rowsOf(s)
	return cols%q8Elements == 0
}

// ggufType returns the type of a codec's data in a GGUF file.
func ggufType(c codec) gguf.Type {
	if f, ok := c.(floats); ok {
		t, _ := gguf.Of(f.to)
		return t
	}
	return gguf.Q8_0
}

// addGGUF adds the one file and sets the places of its tensors.
func (l *layout) addGGUF(metadata gguf.Metadata) error {
	descs := make([]gguf.Desc, len(l.steps))
	for i, s := range l.steps {
		descs[i] = gguf.Desc{Name: s.Name, Type: ggufType(s.codec), Shape: s.Shape}
	}
	frame, err := gguf.NewLayout(metadata, descs)
	if err != nil {
		return err
	}
	for i, e := range frame.Entries() {
		l.steps[i].data = place{offset: e.Offset, name: e.Name}
	}
	l.files = append(l.files, file{
		size: frame.Size(), frame: func(w io.WriterAt) error { return frame.WriteFrame(w) },
		open: func(path string) (written, error) { return openGGUF(path, metadata, frame.Entries()) },
	})
	return nil
}

// openGGUF opens a written file and compares all but its data with the plan.
func openGGUF(path string, metadata gguf.Metadata, entries []gguf.Entry) (written, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	switch {
	case !reflect.DeepEqual(f.Metadata(), metadata):
		err = fmt.Errorf("%s: the metadata that were read back are not those that were written", path)
	case !reflect.DeepEqual(f.Entries(), entries):
		err = fmt.Errorf("%s: the tensors that were read back are not those that were written", path)
	default:
		err = f.CheckPadding()
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return ggufFile{f}, nil
}

// ggufNote is what a user of the file must know before anything else.
const ggufNote = "Cola DLM (continuous latent diffusion, text VAE and block-causal DiT), exported by colakit. " +
	"llama.cpp has no architecture named cola: programs built on ggml read this file, its tensors and its tokenizer, and can't run the model."

// ggufMetadata returns what the file says besides its tensors.
func ggufMetadata(m *model, steps []step) (gguf.Metadata, []string, error) {
	md := gguf.Metadata{
		{Key: "general.architecture", Value: "cola"},
		{Key: "general.type", Value: "model"},
		{Key: "general.name", Value: "Cola DLM"},
		{Key: "general.description", Value: ggufNote},
		{Key: "general.file_type", Value: fileType(steps)},
		{Key: "general.quantization_version", Value: uint32(2)}, // of Q8_0 and all other block types today
		{Key: "cola.runnable_by_ggml", Value: false},
		{Key: "cola.artifact.blake3", Value: m.Root().String()},
	}
	for _, c := range []struct {
		prefix  string
		raw     []byte
		scalars []hf.Scalar
	}{
		{"cola.dit.", m.meta.DiTConfig, m.config.DiT.Scalars()},
		{"cola.vae.", m.meta.VAEConfig, m.config.VAE.Scalars()},
	} {
		for _, s := range c.scalars {
			md = append(md, gguf.KeyValue{Key: c.prefix + s.Key, Value: ggufValue(s.Value)})
		}
		md = append(md, gguf.KeyValue{Key: c.prefix + "config_json", Value: string(c.raw)})
	}
	if m.meta.Generation != nil {
		md = append(md, gguf.KeyValue{Key: "cola.generation_json", Value: string(m.meta.Generation)})
	}
	vocabulary, notes, err := ggufVocabulary(m)
	return append(md, vocabulary...), notes, err
}

// ggufValue returns a value of a configuration as a GGUF file has it: integers as
// uint32 where they fit, as in the files of others, numbers as float64.
func ggufValue(v any) any {
	n, ok := v.(int)
	switch {
	case !ok:
		return v
	case n >= 0 && n <= math.MaxUint32:
		return uint32(n)
	}
	return int64(n)
}

// fileType returns llama.cpp's number (llama_ftype in llama.h) for the type that
// most elements of matrices have.
func fileType(steps []step) uint32 {
	numbers := map[gguf.Type]uint32{gguf.F32: 0, gguf.F16: 1, gguf.Q8_0: 7, gguf.BF16: 32}
	elements := map[gguf.Type]int64{}
	most := gguf.F32
	for _, s := range steps {
		if len(s.Shape) < 2 {
			continue
		}
		t := ggufType(s.codec)
		n, _ := s.Shape.Elements() // known to fit
		elements[t] += n
	}
	for _, t := range []gguf.Type{gguf.F16, gguf.BF16, gguf.Q8_0} {
		if elements[t] > elements[most] {
			most = t
		}
	}
	return numbers[most]
}
