package convert

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/formats/safetensors"
	"colakit/formats/tensor"
)

// scaleSuffix follows the name of an int8 weight in that of its scales, in the
// layout of compressed-tensors; with a zeroSuffix tensor, codes are not symmetric.
const (
	scaleSuffix = "_scale"
	zeroSuffix  = "_zero_point"
)

func (c *Collection) openSafetensors() error {
	f, err := safetensors.Open(c.Path)
	if err != nil {
		return err
	}
	s := &safetensorsStore{files: []*safetensors.File{f}}
	c.store = s
	c.addFiles(s, []*safetensors.File{f}, c.Path, nil)
	return nil
}

// openFolder opens the folder of one model, whose names say which.
func (c *Collection) openFolder() error {
	folder, err := safetensors.OpenDir(c.Path)
	if err != nil {
		return err
	}
	s := &safetensorsStore{files: folder.Files()}
	c.store = s
	c.addFiles(s, folder.Files(), "", nil)
	raw, err := readOptional(filepath.Join(c.Path, "config.json"))
	if err != nil {
		return err
	}
	if c.holds(hf.VAE) {
		c.Meta.VAEConfig = raw
	} else if c.holds(hf.DiT) {
		c.Meta.DiTConfig = raw
	}
	return nil
}

// holds reports whether any tensor is of the model.
func (c *Collection) holds(m hf.Model) bool {
	for _, h := range c.holdings {
		if native, ok := hf.Recognise(h.Name); ok && strings.HasPrefix(native, m.Prefix()) {
			return true
		}
	}
	return false
}

// openCheckpoint opens both models' folders.
func (c *Collection) openCheckpoint() error {
	at, err := hf.Locate(c.Path)
	if err != nil {
		return err
	}
	s := &safetensorsStore{}
	c.store = s
	if at.Tokenizer != "" {
		if c.Meta.Tokenizer, err = readOptional(at.Tokenizer); err != nil {
			return err
		}
	}
	for _, part := range []struct {
		model  hf.Model
		dir    string
		config *[]byte
	}{{hf.DiT, at.DiTDir, &c.Meta.DiTConfig}, {hf.VAE, at.VAEDir, &c.Meta.VAEConfig}} {
		if *part.config, err = readOptional(filepath.Join(part.dir, "config.json")); err != nil {
			return err
		}
		folder, err := safetensors.OpenDir(part.dir)
		if err != nil {
			return err
		}
		s.files = append(s.files, folder.Files()...)
		c.addFiles(s, folder.Files(), filepath.Base(part.dir), &part.model)
	}
	return nil
}

// readOptional returns a small file's bytes, nil if it is not there.
func readOptional(path string) ([]byte, error) {
	const limit = 64 << 20
	raw, err := readSmall(path, limit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return raw, err
}

// addFiles lists the tensors of one model's files: of the given model, or nil for
// the one that the names say. Their files are named within dir.
func (c *Collection) addFiles(s *safetensorsStore, files []*safetensors.File, dir string, m *hf.Model) {
	folder := map[string]place{}
	for _, f := range files {
		for _, d := range f.Descs() {
			folder[d.Name] = place{file: f, name: d.Name}
		}
	}
	for _, f := range files {
		name := filepath.ToSlash(filepath.Join(dir, filepath.Base(f.Path())))
		if c.Format == FormatSafetensors {
			name = c.Path
		}
		c.Files = append(c.Files, Source{name, f.Size()})
		for _, d := range f.Descs() {
			if _, isScale := weightOf(d.Name, folder); isScale {
				continue
			}
			h, p := describeStored(d, folder)
			if m != nil {
				h.Name, h.Stored = m.Native(d.Name), d.Name
			}
			if c.Format != FormatSafetensors {
				h.File = name
			}
			c.holdings, s.places = append(c.holdings, h), append(s.places, p)
		}
	}
}

// describeStored returns what is known of a tensor, with its scales if it has any.
func describeStored(d tensor.Desc, folder map[string]place) (Holding, place) {
	h, p := named(d.Name), folder[d.Name]
	stored, _ := p.file.StoredType(d.Name)
	h.Type, h.Shape, h.element = strings.ToLower(stored), d.Shape, d.Type
	if view, err := p.file.Raw(d.Name); err == nil {
		h.Bytes = int64(len(view.Data))
	}
	if q, scale := quantization(d, folder); q != nil {
		p.quantization, p.scale, p.scaleFile = q, scale.Name, folder[scale.Name].file
		bytes, _ := scale.Bytes() // a file holds it
		h.Type, h.Quantization, h.Bytes = typeName(d.Type, q), q, h.Bytes+bytes
	}
	return h, p
}

// weightOf returns the name of the int8 weight whose scales are in the tensor of
// that name, and false if they are no scales.
func weightOf(name string, folder map[string]place) (string, bool) {
	weight, ok := strings.CutSuffix(name, scaleSuffix)
	if !ok {
		return "", false
	}
	p, ok := folder[weight]
	if !ok {
		return "", false
	}
	d, _ := p.file.Desc(weight)
	q, _ := quantization(d, folder)
	return weight, q != nil
}

// quantization returns what an int8 matrix and the scales beside it make, nil if
// that is no symmetric quantisation by rows or by groups.
func quantization(d tensor.Desc, folder map[string]place) (*tensor.Quantization, tensor.Desc) {
	p, ok := folder[d.Name+scaleSuffix]
	_, asymmetric := folder[d.Name+zeroSuffix]
	if !ok || asymmetric || d.Type != dtype.I8 || len(d.Shape) != 2 {
		return nil, tensor.Desc{}
	}
	scale, _ := p.file.Desc(d.Name + scaleSuffix)
	rows, cols := d.Shape[0], d.Shape[1]
	if len(scale.Shape) == 0 || len(scale.Shape) > 2 || scale.Shape[0] != rows {
		return nil, scale
	}
	groups := 1
	if len(scale.Shape) == 2 {
		groups = scale.Shape[1]
	}
	if groups < 1 || cols < 1 || cols%groups != 0 {
		return nil, scale
	}
	q := &tensor.Quantization{Scale: scale.Type}
	if groups > 1 {
		q.Group = cols / groups
	}
	if q.Check() != nil {
		return nil, scale
	}
	return q, scale
}
