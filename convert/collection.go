package convert

import (
	"fmt"
	"io"

	"colakit/formats/cola"
	"colakit/formats/dtype"
	"colakit/formats/tensor"
	"colakit/internal/blake3"
)

// Format is how a file or folder holds its tensors.
type Format string

// The formats, as they are recognised by content.
const (
	FormatCola        Format = "cola"
	FormatSafetensors Format = "safetensors" // one file
	FormatFolder      Format = "folder"      // of one model: safetensors, perhaps in shards
	FormatCheckpoint  Format = "checkpoint"  // folder of both models' folders
	FormatGGUF        Format = "gguf"
)

// Collection is an open file or folder of tensors in any format that the toolkit
// reads. Names are native wherever they can be told. It implements tensor.Source
// for tensors with a dtype.Type, and is safe for concurrent use, except for Close.
type Collection struct {
	Path   string
	Format Format
	Files  []Source // the weights
	// Meta is what lies with the tensors: configurations and tokenizer as far as
	// they are there, and of an artifact all.
	Meta cola.Meta

	holdings []Holding
	byName   map[string]int
	store    store
}

var _ tensor.Source = (*Collection)(nil)

// Holding is a tensor of a Collection.
type Holding struct {
	Name         string               `json:"name"`             // native, if it is a Cola DLM's
	Stored       string               `json:"stored,omitempty"` // name in the file, if that is another
	File         string               `json:"file,omitempty"`   // of a folder
	Type         string               `json:"type"`             // "bf16", "q8_0"; "int8-g32": with scales in groups of 32
	Shape        tensor.Shape         `json:"shape"`
	Bytes        int64                `json:"bytes"` // with scales
	Quantization *tensor.Quantization `json:"quantization,omitempty"`
	BLAKE3       *blake3.Sum          `json:"blake3,omitempty"` // as an artifact holds it
	element      dtype.Type
}

// store reads the tensors of one format, by their place in the Collection.
type store interface {
	// read returns a tensor. A damaged one comes with the error.
	read(i int) (numbers, error)
	Forget(data []byte) error
	io.Closer
}

// OpenAny opens a file or folder of any format: an artifact, a checkpoint, one
// model's folder, a safetensors or a GGUF file. Errors that mean damage wrap
// tensor.ErrDamaged.
func OpenAny(path string) (*Collection, error) {
	format, err := detect(path)
	if err != nil {
		return nil, err
	}
	c := &Collection{Path: path, Format: format}
	switch format {
	case FormatCola:
		err = c.openCola()
	case FormatGGUF:
		err = c.openGGUF()
	case FormatSafetensors:
		err = c.openSafetensors()
	case FormatFolder:
		err = c.openFolder()
	case FormatCheckpoint:
		err = c.openCheckpoint()
	}
	if err == nil {
		err = c.index()
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// index finds tensors that have the same native name.
func (c *Collection) index() error {
	c.byName = make(map[string]int, len(c.holdings))
	for i, h := range c.holdings {
		if k, twice := c.byName[h.Name]; twice {
			return tensor.Damagedf("%s: tensors %q and %q are the same one", c.Path, c.holdings[k].stored(), h.stored())
		}
		c.byName[h.Name] = i
	}
	return nil
}

// stored returns the name that the tensor has in its file.
func (h Holding) stored() string {
	if h.Stored != "" {
		return h.Stored
	}
	return h.Name
}

// Holdings lists the tensors in the order of their data. The slice is the
// Collection's own.
func (c *Collection) Holdings() []Holding { return c.holdings }

// Bytes returns the size of the files that hold the tensors.
func (c *Collection) Bytes() (n int64) {
	for _, f := range c.Files {
		n += f.Bytes
	}
	return n
}

// Descs lists the tensors; one that has no dtype.Type has the type Invalid.
func (c *Collection) Descs() []tensor.Desc {
	descs := make([]tensor.Desc, len(c.holdings))
	for i, h := range c.holdings {
		descs[i] = tensor.Desc{Name: h.Name, Type: h.element, Shape: h.Shape, Quantization: h.Quantization}
	}
	return descs
}

// Read returns a tensor by its native name. The error wraps tensor.ErrNotFound,
// or tensor.ErrDamaged if a checksum says so.
func (c *Collection) Read(name string) (tensor.View, error) {
	i, err := c.find(name)
	if err != nil {
		return tensor.View{}, err
	}
	n, err := c.store.read(i)
	switch {
	case err != nil:
		return tensor.View{}, err
	case n.Type.Size() == 0:
		return tensor.View{}, fmt.Errorf("%s: tensor %q is stored as %s, which has no plain elements", c.Path, name, c.holdings[i].Type)
	}
	n.View.Name = name
	return n.View, nil
}

// find returns the place of a tensor, by its native name or the one in its file.
func (c *Collection) find(name string) (int, error) {
	if i, ok := c.byName[name]; ok {
		return i, nil
	}
	names := make([]string, len(c.holdings))
	for i, h := range c.holdings {
		if h.Stored == name && name != "" {
			return i, nil
		}
		names[i] = h.Name
	}
	if len(names) == 0 {
		return 0, fmt.Errorf("%s: %w: %q; it holds none", c.Path, tensor.ErrNotFound, name)
	}
	return 0, fmt.Errorf("%s: %w: %q; the nearest name is %q", c.Path, tensor.ErrNotFound, name, nearest(name, names))
}

// Close closes the files; bytes of their tensors must not be used any more.
func (c *Collection) Close() error {
	if c.store == nil {
		return nil
	}
	return c.store.Close()
}
