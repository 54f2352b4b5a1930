package safetensors

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
)

// sample returns one tensor of every element type that can be written, an empty
// one and a scalar; no two bytes in a row are equal.
func sample() []tensor.View {
	next := byte(0)
	view := func(name string, typ dtype.Type, shape ...int) tensor.View {
		v := tensor.View{Desc: tensor.Desc{Name: name, Type: typ, Shape: shape}}
		size, _ := v.Bytes()
		v.Data = make([]byte, size)
		for i := range v.Data {
			next += 7
			v.Data[i] = next
		}
		return v
	}
	var views []tensor.View
	for typ := dtype.F32; typ <= dtype.Bool; typ++ {
		views = append(views, view("t."+typ.String(), typ, 3, 5))
	}
	return append(views,
		view("empty", dtype.F16, 0, 7),
		view("scalar", dtype.F64),
		view("odd \"name\"\n<é>", dtype.I8, 1))
}

func writeSample(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sample.safetensors")
	if err := WriteFile(path, map[string]string{"format": "pt"}, sample()); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRoundTrip(t *testing.T) {
	f, err := Open(writeSample(t))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if len(f.Descs()) != len(sample()) {
		t.Errorf("%d tensors came back of %d", len(f.Descs()), len(sample()))
	}
	for _, want := range sample() {
		got, err := f.Read(want.Name)
		if err != nil {
			t.Error(err)
		} else if got.Type != want.Type || !got.Shape.Equal(want.Shape) || !bytes.Equal(got.Data, want.Data) {
			t.Errorf("%q came back as %v %v %v", want.Name, got.Type, got.Shape, got.Data)
		}
	}
	if diff := cmp.Diff(map[string]string{"format": "pt"}, f.Metadata()); diff != "" {
		t.Error(diff)
	}
	info, err := os.Stat(f.Path())
	if err != nil || info.Size() != f.Size() {
		t.Errorf("size %d, file %v, %v", f.Size(), info, err)
	}
}

func TestF32IsReadInPlace(t *testing.T) {
	f, err := Open(writeSample(t))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	v, err := f.Read("t.f32")
	if err != nil {
		t.Fatal(err)
	}
	if allocs := testing.AllocsPerRun(10, func() { _, _ = v.Float32s() }); allocs != 0 {
		t.Errorf("%v allocations for the elements of a mapped F32 tensor", allocs)
	}
	if err := f.Forget(v.Data); err != nil {
		t.Error(err)
	}
}

func TestConcurrentReads(t *testing.T) {
	f, err := Open(writeSample(t))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for _, want := range sample() {
				if got, err := f.Read(want.Name); err != nil || !bytes.Equal(got.Data, want.Data) {
					t.Errorf("%q: %v", want.Name, err)
				}
			}
		})
	}
	group.Wait()
}

func TestErrorsNameTheFile(t *testing.T) {
	path := writeSample(t)
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	_, unknown := f.Read("x")
	f.Close()
	_, closed := f.Read("t.f32")
	if !errors.Is(closed, fs.ErrClosed) {
		t.Errorf("reading a closed file: %v", closed)
	}
	if err := os.WriteFile(path, []byte("no tensors here"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, damaged := Open(path)
	if !errors.Is(damaged, tensor.ErrDamaged) {
		t.Errorf("opening text: %v", damaged)
	}
	_, absent := Open(path + "x")
	_, folder := Open(filepath.Dir(path))
	for _, err := range []error{unknown, closed, damaged, absent, folder} {
		if err == nil || !strings.Contains(err.Error(), filepath.Dir(path)) {
			t.Errorf("no path in %v", err)
		}
	}
}

func TestAFileThatShrinksIsNotTouched(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the file is a copy in memory there")
	}
	path := writeSample(t)
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.Truncate(path, 10); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Read("t.f32"); !errors.Is(err, ErrChanged) || !errors.Is(err, tensor.ErrDamaged) {
		t.Errorf("got %v", err)
	}
}
