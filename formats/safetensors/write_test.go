package safetensors

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
)

func TestWrittenBytes(t *testing.T) {
	views := []tensor.View{
		{Desc: tensor.Desc{Name: "a", Type: dtype.U8, Shape: tensor.Shape{2}}, Data: []byte{1, 2}},
		{Desc: tensor.Desc{Name: "b", Type: dtype.F16, Shape: tensor.Shape{1, 1}}, Data: []byte{3, 4}},
	}
	header := `{"__metadata__":{"k":"\"","l":""},"b":{"dtype":"F16","shape":[1,1],"data_offsets":[0,2]},"a":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}`
	for len(header)%8 != 0 {
		header += " "
	}
	want := append(file(header, 0), 3, 4, 1, 2)
	for range 2 {
		var got bytes.Buffer
		if err := Write(&got, map[string]string{"l": "", "k": `"`}, views); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("got  %q\nwant %q", got.Bytes(), want)
		}
		slices.Reverse(views) // must not matter
	}
}

func TestWrittenTensorsAreAligned(t *testing.T) {
	var b bytes.Buffer
	if err := Write(&b, nil, sample()); err != nil {
		t.Fatal(err)
	}
	start := prefix + int(binary.LittleEndian.Uint64(b.Bytes()))
	f, err := Parse(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range f.entries {
		if at := start + int(e.begin); at%e.desc.Type.Size() != 0 {
			t.Errorf("tensor %q of %v lies at byte %d", e.desc.Name, e.desc.Type, at)
		}
	}
}

func TestWriteEmpty(t *testing.T) {
	var b bytes.Buffer
	if err := Write(&b, nil, nil); err != nil || b.String() != "\x08\x00\x00\x00\x00\x00\x00\x00{}      " {
		t.Errorf("got %q, %v", b.String(), err)
	}
}

func TestWriteRefuses(t *testing.T) {
	desc := func(name string, typ dtype.Type, shape ...int) tensor.Desc {
		return tensor.Desc{Name: name, Type: typ, Shape: shape}
	}
	for reason, descs := range map[string][]tensor.Desc{
		"a name twice":        {desc("a", dtype.U8, 1), desc("a", dtype.F32, 1)},
		"the metadata's name": {desc(metadataKey, dtype.U8, 1)},
		"invalid UTF-8":       {desc("\xff", dtype.U8, 1)},
		"no type":             {desc("a", dtype.Invalid, 1)},
		"negative dimension":  {desc("a", dtype.U8, -1)},
		"overflow":            {desc("a", dtype.F64, 1<<62)},
		"overflow of the sum": {desc("a", dtype.F64, 1<<59), desc("b", dtype.F64, 1<<59)},
		"65 dimensions":       {desc("a", dtype.U8, make([]int, 65)...)},
	} {
		if _, err := NewWriter(io.Discard, nil, descs); err == nil {
			t.Errorf("%s was written", reason)
		}
	}
	if _, err := NewWriter(io.Discard, map[string]string{"a": "\xff"}, nil); err == nil {
		t.Error("metadata of invalid UTF-8 was written")
	}
	if err := Write(io.Discard, nil, []tensor.View{{Desc: desc("a", dtype.F32, 2), Data: make([]byte, 4)}}); err == nil {
		t.Error("a tensor with too few bytes was written")
	}
}

func TestWriterCountsTheData(t *testing.T) {
	w, err := NewWriter(io.Discard, nil, []tensor.Desc{{Name: "a", Type: dtype.F32, Shape: tensor.Shape{2}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err == nil {
		t.Error("missing data were not noticed")
	}
	if _, err := w.Write(make([]byte, 4)); err == nil {
		t.Error("surplus data were taken")
	}
	if _, err := w.Write(make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}

func TestWriteFileLeavesNothingOnFailure(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.safetensors")
	if err := os.WriteFile(path, []byte("before"), 0o600); err != nil {
		t.Fatal(err)
	}
	twice := append(sample(), sample()...)
	if err := WriteFile(path, nil, twice); err == nil {
		t.Fatal("tensors were written twice")
	}
	raw, err := os.ReadFile(path)
	names, _ := os.ReadDir(filepath.Dir(path))
	if string(raw) != "before" || err != nil || len(names) != 1 {
		t.Errorf("%q, %v, %d files", raw, err, len(names))
	}
	if err := WriteFile(filepath.Join(path, "below"), nil, nil); err == nil {
		t.Error("a file was written below a file")
	}
}

// TestWriteFileOverItsOwnInput replaces a file by views of itself.
func TestWriteFileOverItsOwnInput(t *testing.T) {
	path := writeSample(t)
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	v, err := f.Read("t.f32")
	if err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(path, nil, []tensor.View{v}); err != nil {
		t.Fatal(err)
	}
	want := slices.Clone(v.Data)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if v, err := again.Read("t.f32"); err != nil || !bytes.Equal(v.Data, want) || len(again.Descs()) != 1 {
		t.Errorf("%v, %v", v.Data, err)
	}
}

type full struct{ left int }

var errFull = errors.New("disk full")

func (f *full) Write(p []byte) (int, error) {
	if n := min(len(p), f.left); n < len(p) {
		f.left = 0
		return n, errFull
	}
	f.left -= len(p)
	return len(p), nil
}

func TestWriteReportsAFullDisk(t *testing.T) {
	var whole bytes.Buffer
	if err := Write(&whole, nil, sample()); err != nil {
		t.Fatal(err)
	}
	for n := range whole.Len() {
		if err := Write(&full{left: n}, nil, sample()); !errors.Is(err, errFull) {
			t.Fatalf("disk full after %d bytes: %v", n, err)
		}
	}
}
