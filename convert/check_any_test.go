package convert

import (
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"colakit/formats/dtype"
	"colakit/formats/gguf"
	"colakit/formats/tensor"
)

// TestCheckAny: a sound checkpoint is sound in every format, and what is wrong
// with another is found.
func TestCheckAny(t *testing.T) {
	src := small(t)
	dit := filepath.Join(src, "cola_dlm", "cola_dit")
	t.Chdir(t.TempDir())
	c, err := OpenAny(src)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var views []tensor.View
	for _, h := range c.Holdings() {
		v, err := c.Read(h.Name)
		if err != nil {
			t.Fatal(err)
		}
		views = append(views, v)
	}
	saveGGUF(t, "x.gguf", views, gguf.F16)
	saveGGUF(t, "padded.gguf", []tensor.View{tensor.FromFloat32s("w", tensor.Shape{3}, []float32{1, 2, 3})}, gguf.F32)
	data := readFile(t, "padded.gguf")
	data[len(data)-1] = 1
	writeFile(t, "padded.gguf", data)
	data = readFile(t, "x.gguf")
	saveSafetensors(t, "alone.safetensors", views, func(name string) string { return name })
	poisoned := append([]tensor.View{}, views...)
	poisoned[0].Data = append([]byte{}, poisoned[0].Data...)
	binary.LittleEndian.PutUint32(poisoned[0].Data[8:], math.Float32bits(float32(math.NaN())))
	zeros := append([]tensor.View{}, views...)
	for i, v := range zeros {
		if v.Name == weight {
			zeros[i].Data = make([]byte, len(v.Data))
		}
	}
	saveSafetensors(t, "nan.safetensors", poisoned, func(name string) string { return name })
	saveSafetensors(t, "zeros.safetensors", zeros, func(name string) string { return name })
	q := tensor.Quantization{Group: 32, Scale: dtype.F32}
	badScale := coded(t, sampleViews()[0], q)
	binary.LittleEndian.PutUint32(badScale.Scales[8:], math.Float32bits(-1))
	saveSafetensors(t, "scale.safetensors", []tensor.View{badScale}, func(name string) string { return name })
	writeFile(t, "cut.gguf", data[:len(data)/2])

	for _, tt := range []struct{ path, damage, note string }{
		{src, "", ""},
		{dit, "", ""},
		{"alone.safetensors", "", "no configuration"},
		{"nan.safetensors", "holds 1 NaN and 0 Inf, the first at", "no configuration"},
		{"zeros.safetensors", "", "is all zeros"},
		{"scale.safetensors", "scale 2 is -1", "no configuration"},
		{"cut.gguf", "behind the end of the file", ""},
		{"padded.gguf", "padding is not zero", ""},
		{"x.gguf", `tensor "`, ""}, // its configuration is that of the other sample
	} {
		for _, jobs := range []int{1, 3} {
			r, err := CheckAny(t.Context(), tt.path, CheckOptions{Jobs: jobs})
			if err != nil {
				t.Fatalf("%s: %v", tt.path, err)
			}
			var text strings.Builder
			if err := r.WriteText(&text); err != nil {
				t.Fatal(err)
			}
			sound := tt.damage == ""
			if (r.Err() == nil) != sound || !strings.Contains(text.String(), tt.damage) || !strings.Contains(text.String(), tt.note) ||
				tt.note == "" && len(r.Notes) > 0 || strings.Contains(text.String(), "is sound") != sound {
				t.Errorf("%s: %v\n%s", tt.path, r.Err(), text.String())
			}
			if !sound && !errors.Is(r.Err(), tensor.ErrDamaged) {
				t.Errorf("%s: %v is not damage", tt.path, r.Err())
			}
		}
	}
	// A checkpoint whose configuration is missing, or another model's.
	if err := os.Remove(filepath.Join(dit, "config.json")); err != nil {
		t.Fatal(err)
	}
	r, err := CheckAny(t.Context(), src, CheckOptions{})
	if err != nil || r.Err() == nil {
		t.Errorf("without config.json: %v, %v", err, r.Err())
	} else {
		wantError(t, r.Err(), "config.json of a model is missing")
	}
}
