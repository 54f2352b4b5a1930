package safetensors

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
	"colakit/internal/mmap"
)

// File is one safetensors file. It implements tensor.Source and is safe for
// concurrent use, except for Close.
type File struct {
	header
	path   string
	size   int64
	data   []byte
	mapped *mmap.Map // nil for a file given as bytes
	closed bool
}

var _ tensor.Source = (*File)(nil)

// Open maps the file at path and checks it against every rule of the format.
func Open(path string) (*File, error) {
	m, err := mmap.Open(path)
	if err != nil {
		return nil, err
	}
	f, err := Parse(m.Bytes())
	if err != nil {
		m.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	f.path, f.mapped = path, m
	return f, nil
}

// Parse reads a whole file given as bytes, which the File keeps.
func Parse(file []byte) (*File, error) {
	text, data, err := split(file)
	if err != nil {
		return nil, err
	}
	h, err := parseHeader(text)
	if err != nil {
		return nil, err
	}
	if err := h.cover(len(data)); err != nil {
		return nil, err
	}
	return &File{size: int64(len(file)), data: data, header: h}, nil
}

// Descs lists the tensors in the order of their data. One of an unsupported
// type has the type dtype.Invalid.
func (f *File) Descs() []tensor.Desc {
	descs := make([]tensor.Desc, len(f.entries))
	for i, e := range f.entries {
		descs[i] = e.desc
	}
	return descs
}

// Read returns a tensor whose bytes are those of the file. The error wraps
// tensor.ErrNotFound, ErrUnsupported or ErrChanged.
func (f *File) Read(name string) (tensor.View, error) {
	view, err := f.Raw(name)
	if err == nil && view.Type == dtype.Invalid {
		stored, _ := f.StoredType(name)
		return tensor.View{}, f.errorf("tensor %q is stored as %s: %w", name, stored, ErrUnsupported)
	}
	return view, err
}

// Raw is Read for a tensor of any type of the format: one that the toolkit does
// not have is dtype.Invalid, and its bytes are as they are stored.
func (f *File) Raw(name string) (tensor.View, error) {
	i, ok := f.byName[name]
	if !ok {
		return tensor.View{}, f.errorf("tensor %q: %w", name, tensor.ErrNotFound)
	}
	e := f.entries[i]
	switch {
	case f.closed:
		return tensor.View{}, f.errorf("tensor %q: %w", name, fs.ErrClosed)
	case f.mapped != nil:
		if err := f.mapped.Check(); errors.Is(err, mmap.ErrChanged) {
			return tensor.View{}, f.errorf("tensor %q: %w", name, ErrChanged)
		} else if err != nil {
			return tensor.View{}, f.errorf("tensor %q: %w", name, err)
		}
	}
	return tensor.View{Desc: e.desc, Data: f.data[e.begin:e.end:e.end]}, nil
}

// Forget says that the bytes of data, a part of a View's, are not needed soon,
// so that they stop counting as this process's memory.
func (f *File) Forget(data []byte) error {
	if f.mapped == nil {
		return nil
	}
	return f.mapped.Forget(data)
}

// Close invalidates the bytes of every View.
func (f *File) Close() error {
	f.closed, f.data = true, nil
	if f.mapped == nil {
		return nil
	}
	return f.mapped.Close()
}

// Path returns the path that the file was opened with, "" for Parse.
func (f *File) Path() string { return f.path }

// Size returns the bytes of the whole file.
func (f *File) Size() int64 { return f.size }

// Metadata returns the header's __metadata__.
func (f *File) Metadata() map[string]string { return maps.Clone(f.metadata) }

// Desc returns the description of a tensor, and false if there is no such tensor.
func (f *File) Desc(name string) (tensor.Desc, bool) {
	i, ok := f.byName[name]
	if !ok {
		return tensor.Desc{}, false
	}
	return f.entries[i].desc, true
}

// StoredType returns the format's name of a tensor's element type, and false if
// there is no such tensor.
func (f *File) StoredType(name string) (string, bool) {
	i, ok := f.byName[name]
	if !ok {
		return "", false
	}
	return f.entries[i].stored, true
}

// errorf puts the path, where there is one, before the message.
func (f *File) errorf(format string, args ...any) error {
	if f.path == "" {
		return fmt.Errorf(format, args...)
	}
	return fmt.Errorf("%s: "+format, append([]any{f.path}, args...)...)
}
