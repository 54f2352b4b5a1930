package export

import (
	"bytes"
	"io"

	"colakit/formats/gguf"
	"colakit/formats/safetensors"
	"colakit/formats/tensor"
)

// layout is a plan with the place of every byte of the output.
type layout struct {
	Plan
	steps []step
	files []file
}

// file is one of the output. What is no tensor's data is its frame.
type file struct {
	path  string // within the folder, with slashes; "" for the output itself
	size  int64
	frame func(io.WriterAt) error
	// open opens the written file to read it back, nil for one without tensors.
	open func(path string) (written, error)
}

// written is a file of the output that is read back.
type written interface {
	// data returns the bytes of a tensor and says that it is stored as planned.
	data(name string) ([]byte, error)
	tensors() int
	Close() error
}

// addText adds a file of that content.
func (l *layout) addText(path string, text []byte) {
	l.files = append(l.files, file{path: path, size: int64(len(text)), frame: func(w io.WriterAt) error {
		_, err := w.WriteAt(text, 0)
		return err
	}})
}

// piece is a tensor of a safetensors file: the data of a step, or its scales.
type piece struct {
	desc  tensor.Desc
	place *place
}

// addWeights adds a safetensors file and sets the places of its tensors.
func (l *layout) addWeights(path string, pieces []piece) error {
	descs := make([]tensor.Desc, len(pieces))
	places := map[string]*place{}
	for i, p := range pieces {
		descs[i], places[p.desc.Name] = p.desc, p.place
	}
	var header bytes.Buffer
	w, err := safetensors.NewWriter(&header, map[string]string{"format": "pt"}, descs) // Transformers wants the key
	if err != nil {
		return err
	}
	end := int64(header.Len())
	for _, d := range w.Descs() {
		n, err := d.Bytes()
		if err != nil {
			return err
		}
		*places[d.Name] = place{file: len(l.files), offset: end, name: d.Name}
		end += n
	}
	l.files = append(l.files, file{
		path: path, size: end,
		frame: func(to io.WriterAt) error { _, err := to.WriteAt(header.Bytes(), 0); return err },
		open: func(path string) (written, error) {
			f, err := safetensors.Open(path)
			return safetensorsFile{f}, err
		},
	})
	return nil
}

type safetensorsFile struct{ *safetensors.File }

func (f safetensorsFile) tensors() int { return len(f.Descs()) }

func (f safetensorsFile) data(name string) ([]byte, error) {
	v, err := f.Read(name)
	return v.Data, err
}

type ggufFile struct{ *gguf.File }

func (f ggufFile) tensors() int { return len(f.Entries()) }

func (f ggufFile) data(name string) ([]byte, error) {
	_, data, err := f.Raw(name)
	return data, err
}
