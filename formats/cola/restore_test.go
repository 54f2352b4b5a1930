package cola

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
	"colakit/internal/blake3"
)

// TestRestore finishes a file whose first tensor an earlier writer wrote.
func TestRestore(t *testing.T) {
	descs := []tensor.Desc{
		{Name: "codes", Type: dtype.I8, Shape: tensor.Shape{3, 5}, Quantization: &tensor.Quantization{Scale: dtype.F32}},
		{Name: "b", Type: dtype.F32, Shape: tensor.Shape{2}},
	}
	codes, scales, b := bytes.Repeat([]byte{3}, 15), bytes.Repeat([]byte{0, 0, 128, 63}, 3), make([]byte, 8)
	meta := Meta{DiTConfig: []byte("{}"), VAEConfig: []byte("{}"), Provenance: []byte("{}")}
	write := func(path string, restored bool) []byte {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		w, err := NewWriter(f, descs)
		if err != nil {
			t.Fatal(err)
		}
		put := func(err error) {
			if err != nil {
				t.Fatal(err)
			}
		}
		buffer := make([]byte, ChunkBytes)
		if restored {
			put(w.Restore(f, 0, 0, blake3.Of(codes), buffer))
			put(w.Restore(f, 0, 1, blake3.Of(scales), buffer))
			if err := w.Restore(f, 0, 0, blake3.Of(scales), buffer); !errors.Is(err, ErrSum) {
				t.Errorf("another sum: %v", err)
			}
			if err := w.Restore(bytes.NewReader(nil), 0, 0, blake3.Of(codes), buffer); err == nil {
				t.Error("restored from an empty file")
			}
		} else {
			put(w.WriteChunk(0, 0, codes, blake3.Of(codes)))
			put(w.WriteScales(0, 0, scales, blake3.Of(scales)))
		}
		put(w.WriteChunk(1, 0, b, blake3.Of(b)))
		_, _, err = w.Finish(meta)
		put(err)
		data, err := os.ReadFile(path)
		put(err)
		return data
	}
	path := filepath.Join(t.TempDir(), "x.cola")
	if first, again := write(path, false), write(path, true); !bytes.Equal(first, again) {
		t.Error("other bytes after restoring")
	}
}
