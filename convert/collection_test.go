package convert

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/formats/dtype"
	"colakit/formats/gguf"
	"colakit/formats/tensor"
)

// TestOpenAny: every format gives the same names, shapes and numbers, whatever
// its file is called.
func TestOpenAny(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, format := range inEveryFormat(t) {
		if info, err := os.Stat(name); err == nil && !info.IsDir() {
			if err := os.Rename(name, "disguised"); err != nil {
				t.Fatal(err)
			}
			name = "disguised"
		}
		c, err := OpenAny(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if c.Format != format || len(c.Descs()) != 3 {
			t.Errorf("%s is recognised as %s with %d tensors, want %s with 3", name, c.Format, len(c.Descs()), format)
		}
		for _, want := range sampleViews() {
			got, err := c.Read(want.Name)
			if err != nil {
				t.Errorf("%s: %v", format, err)
				continue
			}
			x, errX := got.Float32s()
			y, errY := want.Float32s()
			if diff := cmp.Diff(y, x); diff != "" || errX != nil || errY != nil || got.Name != want.Name || !got.Shape.Equal(want.Shape) {
				t.Errorf("%s: %s %v: %v %v %s", format, got.Name, got.Shape, errX, errY, diff)
			}
			d := c.Descs()[slices.IndexFunc(c.Descs(), func(d tensor.Desc) bool { return d.Name == want.Name })]
			if diff := cmp.Diff(got.Desc, d); diff != "" {
				t.Errorf("%s: Descs and Read do not agree:\n%s", format, diff)
			}
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestOpenRefused: what is no file of any format is an error, and no panic.
func TestOpenRefused(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFile(t, "text.cola", []byte(strings.Repeat("text ", 100)))
	writeFile(t, "x.gguf", []byte("GGU"))
	writeFile(t, "x.safetensors", []byte{1, 2, 3})
	views := sampleViews()
	views[1].Name = "txt_in.proj.weight"
	saveSafetensors(t, "twice.safetensors", views, func(name string) string { return name })
	if err := os.Mkdir("empty", 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path, want string
		damaged    bool
	}{
		{"text.cola", "not a .cola file", true},
		{"x.gguf", "not a GGUF file", true},
		{"x.safetensors", "header", true},
		{"twice.safetensors", "are the same one", true},
		{"empty", "no weights lie in it", false},
		{os.DevNull, "neither a regular file nor a folder", false},
		{"nothing", "no such file", false},
	} {
		_, err := OpenAny(c.path)
		wantError(t, err, c.want)
		if errors.Is(err, tensor.ErrDamaged) != c.damaged {
			t.Errorf("%s: damaged is %v: %v", c.path, !c.damaged, err)
		}
	}
}

// TestDecode: pieces from any element on are what the whole tensor has there.
func TestDecode(t *testing.T) {
	views := sampleViews()
	all := map[string]tensor.View{
		"f32": views[0], "bf16": as(t, views[0], dtype.BF16), "f16": as(t, views[0], dtype.F16), "f64": as(t, views[0], dtype.F64),
		"rows":   coded(t, views[0], tensor.Quantization{Scale: dtype.F32}),
		"groups": coded(t, views[0], tensor.Quantization{Group: 24, Scale: dtype.F16}), // the last is shorter
	}
	for i, name := range []string{"rows", "groups"} { // scales that differ
		v := all[name]
		for k := range v.Scales {
			v.Scales[k] ^= byte(k*7+i) & 0x0f
		}
	}
	for name, v := range all {
		want, err := v.Float64s()
		if err != nil {
			t.Fatal(err)
		}
		n := numbers{View: v, count: int64(len(want))}
		for first := range want {
			for _, length := range []int{1, 7, 64, len(want)} {
				got := make([]float64, min(length, len(want)-first))
				if err := (&decoder{}).decode(got, n, int64(first)); err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(got, want[first:first+len(got)]) {
					t.Fatalf("%s: elements %d to %d are wrong", name, first, first+len(got))
				}
			}
		}
	}
}

// TestDecodeOthers: integers and blocks.
func TestDecodeOthers(t *testing.T) {
	raw := []byte{1, 0xff, 0, 0x80, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0, 0, 0, 0x80}
	for kind, want := range map[dtype.Type][]float64{
		dtype.I8:  {1, -1, 0, -128},
		dtype.U8:  {1, 255, 0, 128},
		dtype.I32: {-2147418367, -1, 1, -2147483648},
		dtype.I64: {-2147418367, -9223372036854775807},
	} {
		got := make([]float64, len(want))
		n := numbers{View: tensor.View{Desc: tensor.Desc{Type: kind}, Data: raw}, count: int64(len(want))}
		if err := (&decoder{}).decode(got, n, 0); err != nil || !slices.Equal(got, want) {
			t.Errorf("%v: %v, want %v; %v", kind, got, want, err)
		}
	}
	t.Chdir(t.TempDir())
	saveGGUF(t, "q8.gguf", sampleViews(), gguf.Q8_0)
	f, err := gguf.Open("q8.gguf")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want, err := f.Dequantize(sampleIn)
	if err != nil {
		t.Fatal(err)
	}
	n, err := ggufStore{f}.read(0)
	got := make([]float64, 64)
	if err != nil || (&decoder{}).decode(got, n, 32) != nil {
		t.Fatal(err)
	}
	for i, x := range got {
		if x != float64(want[32+i]) {
			t.Fatalf("element %d is %v, want %v", 32+i, x, want[32+i])
		}
	}
}
