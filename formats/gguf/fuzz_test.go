package gguf

import (
	"bytes"
	"errors"
	"testing"

	"colakit/formats/tensor"
	"colakit/internal/anatomy"
)

// FuzzParse: whatever the bytes, the reader and the dump end without a crash, an
// error is damage or says that something is not supported, what is read lies in
// the file, and what the writer takes of it becomes the same bytes again.
func FuzzParse(f *testing.F) {
	f.Add(write(f, sampleMetadata[:8], sample()[:2]))
	f.Add(write(f, sampleMetadata[:1], nil))
	f.Add(newSketch().bytes())
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, data []byte) {
		dissect(&anatomy.Description{}, data)
		file, err := Parse(data)
		if err != nil {
			if !errors.Is(err, tensor.ErrDamaged) && !errors.Is(err, ErrUnsupported) {
				t.Fatalf("an error that is neither damage nor unsupported: %v", err)
			}
			return
		}
		for _, e := range file.Entries() {
			if _, raw, err := file.Raw(e.Name); err != nil || int64(len(raw)) != e.Bytes {
				t.Fatalf("%v: %d bytes, %v", e, len(raw), err)
			}
			if _, err := file.Dequantize(e.Name); err != nil && !errors.Is(err, ErrUnsupported) {
				t.Fatalf("%v: %v", e, err)
			}
		}
		rewrite(t, file, data)
	})
}

// rewrite holds the writer's beginning of the same file to what was read.
func rewrite(t *testing.T, file *File, data []byte) {
	var tensors []Desc
	for _, e := range file.Entries() {
		tensors = append(tensors, e.Desc)
	}
	layout, err := NewLayout(file.Metadata(), tensors)
	if err != nil || file.Version() != newestVersion {
		return
	}
	if n := min(len(layout.header), len(data)); !bytes.Equal(layout.header[:n], data[:n]) {
		t.Fatalf("read\n%x\nand wrote\n%x", data, layout.header)
	}
	if got := layout.Size(); got < file.Size() || got >= file.Size()+file.Alignment() {
		t.Fatalf("a file of %d bytes is written in %d", file.Size(), got)
	}
}
