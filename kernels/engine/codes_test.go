package engine

import (
	"math"
	"slices"
	"testing"

	"colakit/convert"
	"colakit/formats/tensor"
	"colakit/kernels/emulated"
	"colakit/quantize"
	"colakit/reference"
	"colakit/reference/generate"
)

// widened is a source without codes: they are the numbers that they stand for.
type widened struct{ tensor.Source }

func (s widened) Read(name string) (tensor.View, error) {
	v, err := s.Source.Read(name)
	if err != nil || v.Quantization == nil {
		return v, err
	}
	values, err := v.Float32s()
	return tensor.FromFloat32s(v.Name, v.Shape, values), err
}

// TestCodesAreNotRounded: under the released contract the reference multiplies by the
// same numbers as the kernels do, which are code·scale, and not that rounded to bfloat16.
func TestCodesAreNotRounded(t *testing.T) {
	d, err := emulated.Open(emulated.Options{})
	if err != nil {
		t.Skip("not run: ", err)
	}
	_, cfg := model(t)
	file := converted(t, convert.Options{Type: quantize.Int8G32})
	latents := func(e generate.Engine, err error) []float32 {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		out, err := e.Encode(t.Context(), [][]int32{prompts[2]})
		if err != nil {
			t.Fatal(err)
		}
		return slices.Concat(out...)
	}
	want := latents(reference.New(file, cfg, reference.Options{Contract: generate.Released}))
	rounded := latents(reference.New(widened{file}, cfg, reference.Options{Contract: generate.Released}))
	got := latents(New(file, cfg, d, Options{Contract: generate.Released}))
	if near, far := apart(got, want), apart(rounded, want); !(near < far/3) {
		t.Errorf("the engines are %.1e apart; rounding code·scale to bfloat16 makes %.1e", near, far)
	}
}

// apart is ‖a−b‖/‖b‖.
func apart(a, b []float32) float64 {
	var d, n float64
	for i, x := range b {
		d += float64(a[i]-x) * float64(a[i]-x)
		n += float64(x) * float64(x)
	}
	return math.Sqrt(d / n)
}
