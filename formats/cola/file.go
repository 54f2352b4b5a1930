package cola

import (
	"fmt"
	"sync"

	"colakit/formats/tensor"
	"colakit/internal/blake3"
	"colakit/internal/mmap"
)

// File is an open .cola file. It implements tensor.Source; names are native ones.
// All methods are safe for concurrent use, until Close.
type File struct {
	name     string
	data     []byte
	mapping  *mmap.Map // nil for a file in memory
	super    superblock
	index    index
	byName   map[string]int
	chunks   []int // number of the first chunk of every tensor
	verified []verdict
}

// verdict is the result of a check that is made once.
type verdict struct {
	once sync.Once
	err  error
}

func (v *verdict) of(check func() error) error {
	v.once.Do(func() { v.err = check() })
	return v.err
}

// Open maps the file at path and checks its superblock and index; it does not
// touch the data. Errors that mean damage wrap tensor.ErrDamaged.
func Open(path string) (*File, error) {
	m, err := mmap.Open(path)
	if err != nil {
		return nil, err
	}
	f, err := parse(path, m.Bytes())
	if err != nil {
		m.Close()
		return nil, err
	}
	f.mapping = m
	return f, nil
}

// parse reads the file that data holds; name stands in errors.
func parse(name string, data []byte) (*File, error) {
	f := &File{name: name, data: data}
	err := f.guard(func() error {
		if err := f.decode(); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (f *File) decode() (err error) {
	if f.super, err = decodeSuperblock(f.data, int64(len(f.data))); err != nil {
		return err
	}
	raw := f.bytes(f.super.indexOffset, f.super.indexBytes)
	if got := blake3.Of(raw); got != f.super.indexSum {
		return fmt.Errorf("%w: its BLAKE3 is %v, not %v as the superblock says", ErrIndexSum, got, f.super.indexSum)
	}
	if f.index, err = decodeIndex(raw); err != nil {
		return err
	}
	if err := f.index.validate(f.super.version, f.super.indexOffset); err != nil {
		return err
	}
	f.number()
	return nil
}

// number prepares the finding of tensors by name and of their chunks' sums.
func (f *File) number() {
	f.byName = make(map[string]int, len(f.index.tensors))
	f.chunks = make([]int, len(f.index.tensors))
	f.verified = make([]verdict, len(f.index.tensors))
	first := 0
	for i, e := range f.index.tensors {
		f.byName[e.Name] = i
		f.chunks[i] = first
		first += e.Chunks()
	}
}

// bytes returns part of the file, with no capacity behind it.
func (f *File) bytes(offset, n int64) []byte {
	return f.data[offset : offset+n : offset+n]
}

// Name returns the path the file was opened by.
func (f *File) Name() string { return f.name }

// Version returns the version of the format that the file is written in.
func (f *File) Version() Version { return f.super.version }

// Size returns the size of the file in bytes.
func (f *File) Size() int64 { return f.super.fileSize }

// Root identifies the artifact: it depends on every byte of it.
func (f *File) Root() blake3.Sum { return f.super.root }

// Entries lists the tensors' lines of the index. The slice is the file's own.
func (f *File) Entries() []Entry { return f.index.tensors }

// Descs lists the tensors in the order of their data.
func (f *File) Descs() []tensor.Desc {
	descs := make([]tensor.Desc, len(f.index.tensors))
	for i, e := range f.index.tensors {
		descs[i] = e.Desc()
	}
	return descs
}

// Read returns one tensor, after verifying its checksum the first time. The
// bytes are the mapped file's: read-only, and valid until Close.
func (f *File) Read(name string) (tensor.View, error) {
	i, err := f.find(name)
	if err != nil {
		return tensor.View{}, err
	}
	if err := f.verified[i].of(func() error { return f.verifyTensor(i) }); err != nil {
		return tensor.View{}, err
	}
	return f.view(i), nil
}

// Raw returns one tensor without verifying anything, for tools that look into
// damaged files.
func (f *File) Raw(name string) (tensor.View, error) {
	i, err := f.find(name)
	if err != nil {
		return tensor.View{}, err
	}
	return f.view(i), nil
}

func (f *File) find(name string) (int, error) {
	i, ok := f.byName[name]
	if !ok {
		return 0, fmt.Errorf("%s: %w: %q", f.name, tensor.ErrNotFound, name)
	}
	return i, nil
}

func (f *File) view(i int) tensor.View {
	e := f.index.tensors[i]
	v := tensor.View{Desc: e.Desc(), Data: f.bytes(e.Offset, e.Bytes)}
	if e.Scales != nil {
		v.Scales = f.bytes(e.Scales.Offset, e.Scales.Bytes)
	}
	return v
}

// Meta returns what the file holds beside its tensors, verified.
func (f *File) Meta() (Meta, error) {
	var m Meta
	for _, s := range f.index.sections {
		if s.Section == sums {
			continue
		}
		if err := f.verifySection(s); err != nil {
			return Meta{}, err
		}
		*m.field(s.Section) = f.bytes(s.Offset, s.Bytes)
	}
	return m, nil
}

// Close unmaps the file; nothing that was read from it may be used any more.
func (f *File) Close() error {
	if f.mapping == nil {
		return nil
	}
	return f.mapping.Close()
}
