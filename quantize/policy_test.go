package quantize

import (
	"math"
	"testing"

	"colakit/formats/hf"
	"colakit/formats/tensor"
)

// TestTrunk holds the policy under int8 to what each class is stored as, for every
// tensor of the released models.
func TestTrunk(t *testing.T) {
	want := map[hf.Class]Scheme{
		hf.DiTProjection: Int8G64, hf.VAEProjection: Int8G64,
		hf.Embedding: F16, hf.Head: F16, hf.AdaLN: F16, hf.TimestepEmbedding: F16,
		hf.LatentProjection: F16, hf.PatchConvolution: F16,
		hf.Norm: F32, hf.Bias: F32, hf.Buffer: F32,
	}
	reasons := map[string]hf.Class{}
	for _, e := range released {
		got, reason := PolicyFor(Int8G64).Choose(e)
		if got != want[e.Class] {
			t.Errorf("%s of class %v is stored as %v, want %v", e.Name, e.Class, got, want[e.Class])
		}
		if other, ok := reasons[reason]; ok && other != e.Class && got == F16 {
			t.Errorf("classes %v and %v share the reason %q", other, e.Class, reason)
		}
		reasons[reason] = e.Class
	}
	odd := hf.Expected{Name: "x", Class: hf.DiTProjection, Shape: tensor.Shape{2, 3, 4}}
	if got, _ := PolicyFor(Int8).Choose(odd); got != F16 {
		t.Errorf("a projection that is no matrix is stored as %v", got)
	}
}

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
// known by, without what a file holds beside tensors.
func TestReleasedSizes(t *testing.T) {
	every := Rules{Rules: []Rule{rule(t, `(qkv|proj|layer|out|in|hid|wte|ffn_\w+|ada\.\w+\.1)\.weight$=int8`)}, Otherwise: PolicyFor(Int8)}
	for _, c := range []struct {
		name   string
		policy Policy
		want   float64 // GB
	}{
		{"f32", PolicyFor(F32), 9.33},
		{"f16", PolicyFor(F16), 4.66},
		{"bf16", PolicyFor(BF16), 4.66},
		{"int8 trunk, rest f16", PolicyFor(Int8), 3.27},
		{"int8 of every linear", every, 2.35},
		{"int8-g32 trunk", PolicyFor(Int8G32), 3.27 + 1.396/16},
	} {
		total, err := sizeOf(released, c.policy)
		if err != nil || math.Abs(total/1e9-c.want) > 0.005*c.want {
			t.Errorf("%s takes %.3f GB, %v; want %.2f ± 0.5 %%", c.name, total/1e9, err, c.want)
		}
	}
}

var released = hf.Config{DiT: hf.DefaultDiT(), VAE: hf.DefaultVAE()}.Inventory()

func sizeOf(tensors []hf.Expected, p Policy) (total float64, err error) {
	for _, e := range tensors {
		s, _ := p.Choose(e)
		data, scales, err := s.Layout(e.Shape)
		if err != nil {
			return 0, err
		}
		total += float64(data + scales)
	}
	return total, nil
}

func rule(t testing.TB, text string) Rule {
	t.Helper()
	r, err := ParseRule(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
