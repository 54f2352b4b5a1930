package gguf

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
)

func save(t testing.TB, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.gguf")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func mustOpen(t testing.TB, path string) *File {
	t.Helper()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// TestSource reads the sample as other packages do.
func TestSource(t *testing.T) {
	path := save(t, write(t, sampleMetadata, sample()))
	var source tensor.Source = mustOpen(t, path)
	want := []dtype.Type{dtype.F32, dtype.Invalid, dtype.F16, dtype.BF16, dtype.F64, dtype.I8, dtype.Invalid, dtype.I32, dtype.I64}
	for i, d := range source.Descs() {
		s := sample()[i]
		if d.Name != s.Name || d.Type != want[i] || !d.Shape.Equal(s.Shape) {
			t.Errorf("tensor %d is %v, written was %v", i, d, s.Desc)
		}
		view, err := source.Read(d.Name)
		switch {
		case want[i] == dtype.Invalid:
			if !errors.Is(err, ErrUnsupported) || errors.Is(err, tensor.ErrDamaged) || !strings.Contains(err.Error(), s.Type.String()) {
				t.Errorf("reading %q, %v: %v", s.Name, s.Type, err)
			}
		case err != nil || !bytes.Equal(view.Data, s.data):
			t.Errorf("reading %q: %v", s.Name, err)
		}
	}
	_, err := source.Read("dit")
	if !errors.Is(err, tensor.ErrNotFound) || !strings.Contains(err.Error(), path) {
		t.Errorf("reading an unknown tensor: %v", err)
	}
}

func TestDequantize(t *testing.T) {
	f := mustOpen(t, save(t, write(t, sampleMetadata, sample())))
	for _, s := range sample() {
		got, err := f.Dequantize(s.Name)
		var want []float32
		switch {
		case s.Type == Q8_0:
			want = decode32(t, s.data)
		case s.Type.Element().Float():
			want = make([]float32, len(s.data)/s.Type.Element().Size())
			if err := dtype.Float32s(want, s.data, s.Type.Element()); err != nil {
				t.Fatal(err)
			}
		default:
			if !errors.Is(err, ErrUnsupported) {
				t.Errorf("%v: %v", s.Desc, err)
			}
			continue
		}
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) { // as text: NaN is equal to itself
			t.Errorf("%v: %v, %v, want %v", s.Desc, got, err, want)
		}
	}
	if _, err := f.Dequantize("dit"); !errors.Is(err, tensor.ErrNotFound) {
		t.Errorf("an unknown tensor: %v", err)
	}
}

// TestDamagedPadding finds every byte of padding, and nothing else.
func TestDamagedPadding(t *testing.T) {
	data := write(t, sampleMetadata, sample())
	covered := make([]bool, len(data))
	for _, e := range mustParse(t, data).Entries() {
		for i := e.Offset; i < e.Offset+e.Bytes; i++ {
			covered[i] = true
		}
	}
	first := mustParse(t, data).Entries()[0].Offset
	for at := int(first); at < len(data); at++ {
		data[at] ^= 0x40
		err := mustParse(t, data).CheckPadding()
		if errors.Is(err, ErrPadding) == covered[at] || err != nil && !strings.Contains(err.Error(), fmt.Sprintf("byte %d ", at)) {
			t.Fatalf("byte %d of the file: %v", at, err)
		}
		data[at] ^= 0x40
	}
}

// TestTruncatedWhileOpen cuts a file that is mapped: an error, no crash.
func TestTruncatedWhileOpen(t *testing.T) {
	path := save(t, write(t, sampleMetadata, []stored{{Desc{"a", F32, tensor.Shape{1 << 14}}, make([]byte, 1<<16)}, {Desc{"b", F32, tensor.Shape{1}}, floats(1)}}))
	f := mustOpen(t, path)
	if err := os.Truncate(path, 4096); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Read("a"); !errors.Is(err, ErrChanged) || !errors.Is(err, tensor.ErrDamaged) {
		t.Errorf("reading: %v", err)
	}
	if _, err := f.Dequantize("a"); !errors.Is(err, ErrChanged) {
		t.Errorf("dequantizing: %v", err)
	}
	if err := f.CheckPadding(); !errors.Is(err, ErrChanged) || !errors.Is(err, tensor.ErrDamaged) {
		t.Errorf("checking: %v", err)
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{dir, filepath.Join(dir, "missing.gguf")} {
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), path) || errors.Is(err, tensor.ErrDamaged) {
			t.Errorf("Open(%s): %v", path, err)
		}
	}
	path := save(t, nil)
	if _, err := Open(path); !errors.Is(err, ErrMagic) || !strings.HasPrefix(err.Error(), path+": ") {
		t.Errorf("an empty file: %v", err)
	}
}

func TestClosed(t *testing.T) {
	f := mustOpen(t, save(t, write(t, sampleMetadata, sample())))
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Read("dit.a.weight"); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("reading a closed file: %v", err)
	}
	if diff := cmp.Diff(sampleMetadata, f.Metadata()); diff != "" {
		t.Errorf("metadata of a closed file (-written +read)\n%s", diff)
	}
}

// TestOpenLarge opens a sparse file of the released model's size and vocabulary;
// BenchmarkOpen says how fast.
func TestOpenLarge(t *testing.T) {
	f, err := Open(released(t))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(f.Descs()); n != 700 {
		t.Errorf("%d tensors, want 700", n)
	}
	f.Close()
}

func released(t testing.TB) string {
	t.Helper()
	m := Metadata{{"general.architecture", "cola"}, {"tokenizer.ggml.tokens", make([]string, 100_000)}, {"tokenizer.ggml.merges", make([]string, 100_000)}}
	for i := range 100_000 {
		m[1].Value.([]string)[i], m[2].Value.([]string)[i] = fmt.Sprintf("token%d", i), fmt.Sprintf("to ken%d", i)
	}
	var tensors []Desc
	for i := range 700 {
		tensors = append(tensors, Desc{fmt.Sprintf("dit.blocks.%d.weight", i), BF16, tensor.Shape{3000, 2048}})
	}
	layout := mustLayout(t, m, tensors)
	path := filepath.Join(t.TempDir(), "big.gguf")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if err := layout.WriteFrame(out); err != nil {
		t.Fatal(err)
	}
	if err := out.Truncate(layout.Size()); err != nil {
		t.Fatal(err)
	}
	return path
}

func BenchmarkOpen(b *testing.B) {
	path := released(b)
	for b.Loop() {
		f, err := Open(path)
		if err != nil {
			b.Fatal(err)
		}
		f.Close()
	}
}
