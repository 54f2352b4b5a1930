package convert

import (
	"errors"
	"strings"

	"colakit/formats/cola"
	"colakit/formats/dtype"
	"colakit/formats/gguf"
	"colakit/formats/hf"
	"colakit/formats/safetensors"
	"colakit/formats/tensor"
	"colakit/quantize"
)

// typeName names how a tensor's elements are stored: "bf16", "int8", "int8-g32".
func typeName(t dtype.Type, q *tensor.Quantization) string {
	if q == nil {
		return t.String()
	}
	return quantize.Scheme{Type: t, Group: q.Group, Scale: q.Scale}.String()
}

// named returns a Holding for a name of a file.
func named(stored string) Holding {
	native, _ := hf.Recognise(stored)
	h := Holding{Name: native}
	if native != stored {
		h.Stored = stored
	}
	return h
}

// colaStore reads an artifact.
type colaStore struct{ *cola.File }

func (c *Collection) openCola() (err error) {
	f, err := cola.Open(c.Path)
	if err != nil {
		return err
	}
	c.store = colaStore{f}
	if c.Meta, err = f.Meta(); err != nil {
		return err
	}
	c.Files = []Source{{c.Path, f.Size()}}
	for _, e := range f.Entries() {
		d := e.Desc()
		scales, err := d.ScaleBytes()
		if err != nil {
			return err
		}
		sum := e.Sum
		c.holdings = append(c.holdings, Holding{Name: e.Name, Type: typeName(e.Type, d.Quantization), Shape: e.Shape,
			Bytes: e.Bytes + scales, Quantization: d.Quantization, BLAKE3: &sum, element: e.Type})
	}
	return nil
}

func (s colaStore) read(i int) (numbers, error) {
	e := s.Entries()[i]
	v, err := s.Read(e.Name)
	if errors.Is(err, tensor.ErrDamaged) {
		raw, missing := s.Raw(e.Name)
		v, err = raw, errors.Join(err, missing)
	}
	count, _ := e.Shape.Elements() // was checked when the file was opened
	return numbers{View: v, count: count, path: s.Name()}, err
}

// The keys of a GGUF file that hold files of the checkpoint, verbatim.
const (
	ggufDiTConfig = "cola.dit.config_json"
	ggufVAEConfig = "cola.vae.config_json"
	ggufDefaults  = "cola.generation_json"
)

// ggufStore reads a GGUF file.
type ggufStore struct{ *gguf.File }

func (c *Collection) openGGUF() error {
	f, err := gguf.Open(c.Path)
	if err != nil {
		return err
	}
	c.store = ggufStore{f}
	c.Files = []Source{{c.Path, f.Size()}}
	for key, raw := range map[string]*[]byte{ggufDiTConfig: &c.Meta.DiTConfig, ggufVAEConfig: &c.Meta.VAEConfig, ggufDefaults: &c.Meta.Generation} {
		if value, ok := f.Metadata().Lookup(key); ok {
			text, _ := value.(string)
			*raw = []byte(text)
		}
	}
	for _, e := range f.Entries() {
		h := named(e.Name)
		h.Type, h.Shape, h.Bytes, h.element = strings.ToLower(e.Type.String()), e.Shape, e.Bytes, e.Type.Element()
		c.holdings = append(c.holdings, h)
	}
	return nil
}

func (s ggufStore) read(i int) (numbers, error) {
	e, data, err := s.Raw(s.Entries()[i].Name)
	if err != nil {
		return numbers{}, err
	}
	count, _ := e.Shape.Elements() // was checked when the file was opened
	v := tensor.View{Desc: tensor.Desc{Name: e.Name, Type: e.Type.Element(), Shape: e.Shape}, Data: data}
	return numbers{View: v, blocks: e.Type == gguf.Q8_0, count: count, path: s.Path()}, nil
}

// place is a tensor of a safetensors file, and the one that holds its scales.
type place struct {
	file, scaleFile *safetensors.File
	name, scale     string // scale "": none
	quantization    *tensor.Quantization
}

// safetensorsStore reads safetensors files.
type safetensorsStore struct {
	files  []*safetensors.File
	places []place
}

func (s *safetensorsStore) read(i int) (numbers, error) {
	p := s.places[i]
	v, err := p.file.Raw(p.name)
	if err != nil {
		return numbers{}, err
	}
	if p.scale != "" {
		scales, err := p.scaleFile.Raw(p.scale)
		if err != nil {
			return numbers{}, err
		}
		v.Quantization, v.Scales = p.quantization, scales.Data
	}
	count, _ := v.Shape.Elements() // was checked when the file was opened
	return numbers{View: v, count: count, path: p.file.Path()}, nil
}

// Forget implements store.
func (s *safetensorsStore) Forget(data []byte) error {
	for _, f := range s.files {
		if err := f.Forget(data); err != nil {
			return err
		}
	}
	return nil
}

// Close implements store.
func (s *safetensorsStore) Close() error {
	var errs []error
	for _, f := range s.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
