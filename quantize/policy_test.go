package quantize

import (
	"testing"

	"colakit/formats/hf"
	"colakit/formats/tensor"
)

func TestUniform(t *testing.T) {
	for _, c := range []struct {
		class hf.Class
		shape tensor.Shape
		want  Scheme
	}{
		{hf.Embedding, tensor.Shape{9, 4}, F16},
		{hf.AdaLN, tensor.Shape{8, 4}, F16},
		{hf.PatchConvolution, tensor.Shape{4, 4, 2}, F16},
		{hf.Norm, tensor.Shape{4}, F32},
		{hf.Bias, tensor.Shape{4}, F32},
		{hf.Buffer, tensor.Shape{4}, F32},
	} {
		got, reason := Uniform{F16}.Choose(hf.Expected{Class: c.class, Shape: c.shape})
		if got != c.want || reason == "" {
			t.Errorf("%v is stored as %v because %q, want %v", c.class, got, reason, c.want)
		}
	}
}

// TestReleasedSizes holds the released shapes to the sizes that the variants are
// known by: 9.33 GB in 32 bits, 4.66 GB in 16.
func TestReleasedSizes(t *testing.T) {
	c := hf.Config{DiT: hf.DefaultDiT(), VAE: hf.DefaultVAE()}
	for s, want := range map[Scheme]float64{F32: 9.33e9, F16: 4.66e9, BF16: 4.66e9} {
		total := 0.0
		for _, e := range c.Inventory() {
			n, err := e.Shape.Elements()
			if err != nil {
				t.Fatal(err)
			}
			chosen, _ := Uniform{s}.Choose(e)
			total += float64(n * int64(chosen.Type.Size()))
		}
		if total < want*0.995 || total > want*1.005 {
			t.Errorf("%v takes %.3f GB, want %.2f ± 0.5 %%", s, total/1e9, want/1e9)
		}
	}
}

func TestSchemeText(t *testing.T) {
	for _, s := range schemes {
		text, err := s.MarshalText()
		var got Scheme
		if err != nil || got.UnmarshalText(text) != nil || got != s {
			t.Errorf("%v reads back as %v", s, got)
		}
	}
}
