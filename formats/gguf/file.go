package gguf

import (
	"fmt"
	"io/fs"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
	"colakit/internal/mmap"
)

// File is an open GGUF file. It implements tensor.Source for the tensors whose
// type has a dtype.Type. It is safe for concurrent use, except for Close.
type File struct {
	path     string
	data     []byte
	contents *contents
	mapped   *mmap.Map // nil for a file given as bytes
	closed   bool
}

var _ tensor.Source = (*File)(nil)

// Open maps the file at path and checks all that stands before the data, and
// where these are. Errors that mean damage wrap tensor.ErrDamaged.
func Open(path string) (*File, error) {
	m, err := mmap.Open(path)
	if err != nil {
		return nil, err
	}
	f := &File{path: path, data: m.Bytes(), mapped: m}
	if err := f.parse(); err != nil {
		m.Close()
		return nil, err
	}
	return f, nil
}

// Parse reads a whole file given as bytes, which the File keeps.
func Parse(file []byte) (*File, error) {
	f := &File{data: file}
	if err := f.parse(); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *File) parse() error {
	return f.guard(func() (err error) {
		if f.contents, err = decode(f.data); err != nil {
			return f.errorf("%w", err)
		}
		return nil
	})
}

// guard makes the fault of a file that was truncated meanwhile an error.
func (f *File) guard(read func() error) error {
	var broken error
	if err := mmap.Guard(f.path, func() error { broken = read(); return nil }); err != nil {
		return tensor.Damagedf("%w (%w)", ErrChanged, err)
	}
	return broken
}

// errorf puts the path, where there is one, before the message.
func (f *File) errorf(format string, args ...any) error {
	if f.path == "" {
		return fmt.Errorf(format, args...)
	}
	return fmt.Errorf("%s: "+format, append([]any{f.path}, args...)...)
}

// Path returns the path that the file was opened with, "" for Parse.
func (f *File) Path() string { return f.path }

// Version returns the version of the format, 2 or 3.
func (f *File) Version() int { return int(f.contents.version) }

// Size returns the bytes of the whole file.
func (f *File) Size() int64 { return int64(len(f.data)) }

// Alignment returns the alignment of the data in bytes.
func (f *File) Alignment() int64 { return f.contents.alignment }

// Metadata returns all keys and values, in the order of the file. They are the
// File's own, and stay valid when it is closed.
func (f *File) Metadata() Metadata { return f.contents.metadata }

// Entries lists the tensors in the order of their data. The slice is the File's own.
func (f *File) Entries() []Entry { return f.contents.entries }

// Descs lists the tensors in the order of their data. One that is stored in
// blocks has the type dtype.Invalid.
func (f *File) Descs() []tensor.Desc {
	descs := make([]tensor.Desc, len(f.contents.entries))
	for i, e := range f.contents.entries {
		descs[i] = e.desc()
	}
	return descs
}

// Read returns a tensor whose bytes are those of the file: read-only, and valid
// until Close. The error wraps tensor.ErrNotFound, ErrChanged or, for one that is
// stored in blocks, ErrUnsupported.
func (f *File) Read(name string) (tensor.View, error) {
	e, data, err := f.Raw(name)
	if err != nil {
		return tensor.View{}, err
	}
	if e.Type.Element() == dtype.Invalid {
		return tensor.View{}, f.errorf("tensor %q is stored as %v: %w as elements; its blocks can be had with Raw", name, e.Type, ErrUnsupported)
	}
	return tensor.View{Desc: e.desc(), Data: data}, nil
}

// Raw returns a tensor of any type as it is stored; the bytes are those of the
// file. The error wraps tensor.ErrNotFound or ErrChanged.
func (f *File) Raw(name string) (Entry, []byte, error) {
	i, ok := f.contents.byName[name]
	switch {
	case f.closed:
		return Entry{}, nil, f.errorf("tensor %q: %w", name, fs.ErrClosed)
	case !ok:
		return Entry{}, nil, f.errorf("tensor %q: %w", name, tensor.ErrNotFound)
	case f.mapped != nil:
		if err := f.mapped.Check(); err != nil {
			return Entry{}, nil, tensor.Damagedf("tensor %q: %w (%w)", name, ErrChanged, err)
		}
	}
	e := f.contents.entries[i]
	return e, f.data[e.Offset : e.Offset+e.Bytes : e.Offset+e.Bytes], nil
}

// Dequantize returns the elements of a tensor, row-major: those of floating-point
// types as View.Float32s has them, those of Q8_0 decoded. The error wraps
// tensor.ErrNotFound, ErrChanged or, for other types, ErrUnsupported.
func (f *File) Dequantize(name string) (values []float32, err error) {
	e, data, err := f.Raw(name)
	if err != nil {
		return nil, err
	}
	err = f.guard(func() (err error) {
		switch {
		case e.Type == Q8_0:
			values = make([]float32, e.Bytes/q8Bytes*q8Elements)
			return DecodeQ8_0(values, data)
		case e.Type.Element().Float():
			values, err = tensor.View{Desc: e.desc(), Data: data}.Float32s()
			return err
		}
		return f.errorf("tensor %q is stored as %v: %w; Q8_0 and floating-point types are", name, e.Type, ErrUnsupported)
	})
	return values, err
}

// CheckPadding checks the bytes behind every tensor, up to the next one or the
// end of the file.
func (f *File) CheckPadding() error {
	return f.guard(func() error {
		entries := f.contents.entries
		for i, e := range entries {
			next := f.Size()
			if i+1 < len(entries) {
				next = entries[i+1].Offset
			}
			if err := checkPadding(f.data, e.Offset+e.Bytes, next); err != nil {
				return f.errorf("behind tensor %q: %w", e.Name, err)
			}
		}
		return nil
	})
}

// Forget says that the bytes of data, a part of what Raw or Read returned, are
// not needed soon, so that they stop counting as this process's memory.
func (f *File) Forget(data []byte) error {
	if f.mapped == nil {
		return nil
	}
	return f.mapped.Forget(data)
}

// Close invalidates the bytes of every tensor.
func (f *File) Close() error {
	f.closed, f.data = true, nil
	if f.mapped == nil {
		return nil
	}
	return f.mapped.Close()
}
