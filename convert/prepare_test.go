package convert

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
	"colakit/internal/synth"
	"colakit/quantize"
)

// TestInventory changes the tensors of a sound checkpoint: each difference is found
// before anything is written, and named.
func TestInventory(t *testing.T) {
	without := func(name string) func([]tensor.View) []tensor.View {
		return func(v []tensor.View) []tensor.View {
			return slices.DeleteFunc(v, func(v tensor.View) bool { return v.Name == name })
		}
	}
	change := func(name string, f func(*tensor.View)) func([]tensor.View) []tensor.View {
		return func(v []tensor.View) []tensor.View {
			i := slices.IndexFunc(v, func(v tensor.View) bool { return v.Name == name })
			f(&v[i])
			return v
		}
	}
	const qkv, qvk = "blocks.1.msa.proj_qkv.weight", "blocks.1.msa.proj_qvk.weight"
	rename := func(to string) func(*tensor.View) { return func(v *tensor.View) { v.Name = to } }
	for name, c := range map[string]struct {
		change func([]tensor.View) []tensor.View
		want   []string
	}{
		"missing":     {without(qkv), []string{qkv, "is missing", "[96, 32]", "model.safetensors"}},
		"two missing": {func(v []tensor.View) []tensor.View { return without("txt_in.proj.bias")(without(qkv)(v)) }, []string{"is missing", "(and 1 more)"}},
		"misspelt":    {change(qkv, rename(qvk)), []string{`"` + qvk + `" [96, 32] is not expected; the nearest expected name is "` + qkv + `" [96, 32] (missing)`}},
		"misspelt, and others missing": {func(v []tensor.View) []tensor.View {
			return without("blocks.0.msa.proj_out.weight")(without("txt_in.proj.bias")(change(qkv, rename(qvk))(v)))
		}, []string{`"` + qkv + `" [96, 32] (missing); `, `tensor "blocks.0.msa.proj_out.weight" [32, 32] is missing (and 1 more): `}},
		"extra": {func(v []tensor.View) []tensor.View {
			return append(v, tensor.FromFloat32s("blocks.2.msa.proj_qkv.weight", tensor.Shape{1}, []float32{1}))
		}, []string{"blocks.2.msa.proj_qkv.weight", "not expected", `"blocks.0.msa.proj_qkv.weight"`, "there as well"}},
		"transposed": {change("blocks.1.mlp.proj_in.weight", func(v *tensor.View) { slices.Reverse(v.Shape) }),
			[]string{"blocks.1.mlp.proj_in.weight", "has shape [32, 64], want [64, 32]"}},
		"integers": {change(qkv, func(v *tensor.View) { v.Type = dtype.I32 }), []string{qkv, "stored as I32", "want F32"}},
		"twice": {func(v []tensor.View) []tensor.View {
			return append(v, tensor.FromFloat32s("dit.txt_in.proj.bias", tensor.Shape{32}, make([]float32, 32)))
		}, []string{"are the same one", `"txt_in.proj.bias"`}},
		"everything": {func(v []tensor.View) []tensor.View {
			for i := range v {
				v[i].Name = "module." + v[i].Name
			}
			return v
		}, []string{"not expected", "more differences"}},
	} {
		src := small(t)
		edit(t, ditWeights(src), c.change)
		_, err := Prepare(Options{Source: src, Type: quantize.F32})
		if !errors.Is(err, tensor.ErrDamaged) {
			t.Errorf("%s: %v is not damage", name, err)
		}
		wantError(t, err, c.want...)
		if name == "misspelt" && strings.Count(err.Error(), qkv) != 1 {
			t.Errorf("%s: reported more than once: %v", name, err)
		}
	}
}

// TestOptionalBuffer converts a checkpoint without stored rotary frequencies.
func TestOptionalBuffer(t *testing.T) {
	src := small(t)
	edit(t, ditWeights(src), func(v []tensor.View) []tensor.View {
		return slices.DeleteFunc(v, func(v tensor.View) bool { return strings.HasSuffix(v.Name, "rope.freqs") })
	})
	for _, s := range prepare(t, Options{Source: src, Type: quantize.F16}).Steps {
		if s.Class == "buffer" {
			t.Errorf("%s is planned", s.Tensor)
		}
	}
}

// TestClassPrefix converts a checkpoint whose names carry the class's own prefix.
func TestClassPrefix(t *testing.T) {
	src := small(t)
	edit(t, ditWeights(src), func(v []tensor.View) []tensor.View {
		for i := range v {
			v[i].Name = "dit." + v[i].Name
		}
		return v
	})
	s := prepare(t, Options{Source: src, Type: quantize.F16}).Steps[0]
	if s.Tensor != "dit.txt_in.proj.weight" || s.Source != "dit.txt_in.proj.weight" {
		t.Errorf("%s is taken from %s", s.Tensor, s.Source)
	}
}

const freqs = "blocks.1.msa.rope.rope.freqs"

func TestRopeBuffer(t *testing.T) {
	as := func(typ dtype.Type) func(*tensor.View) {
		return func(v *tensor.View) {
			x, _ := v.Float32s()
			v.Type, v.Data = typ, make([]byte, len(x)*typ.Size())
			if err := dtype.FromFloat32s(v.Data, x, typ); err != nil {
				t.Fatal(err)
			}
		}
	}
	next := func(v *tensor.View) { // the neighbouring float32, as another library might compute
		x, _ := v.Float32s()
		setValue(1, math.Nextafter32(x[1], 2))(v)
	}
	for name, c := range map[string]struct {
		change func(*tensor.View)
		bad    bool
	}{
		"as computed":                   {func(*tensor.View) {}, false},
		"one unit off":                  {next, false},
		"in bf16":                       {as(dtype.BF16), false},
		"in f16":                        {as(dtype.F16), false},
		"in f64":                        {as(dtype.F64), false},
		"of another model":              {setValue(1, 0.5), true},
		"slightly off":                  {setValue(0, 1.00001), true},
		"not a number":                  {setValue(3, float32(math.NaN())), true},
		"bf16 rounding on f32's behalf": {func(v *tensor.View) { setValue(1, 0.1001)(v) }, true},
	} {
		src := small(t)
		editTensor(t, ditWeights(src), freqs, c.change)
		_, err := Prepare(Options{Source: src, Type: quantize.BF16})
		if errors.Is(err, tensor.ErrDamaged) != c.bad {
			t.Errorf("frequencies %s: %v", name, err)
		}
		if c.bad {
			wantError(t, err, freqs, "rotary frequency", "model.safetensors")
		}
	}
}

// TestRopeKept keeps the stored frequencies, in 32 bits.
func TestRopeKept(t *testing.T) {
	src := small(t)
	stored := float32(math.Nextafter32(0.1, 2))
	editTensor(t, ditWeights(src), freqs, setValue(1, stored))
	v, err := openArtifact(t, convertTo(t, src, quantize.BF16, ExecuteOptions{})).Read("dit." + freqs)
	if err != nil {
		t.Fatal(err)
	}
	if x, err := v.Float32s(); err != nil || v.Type != dtype.F32 || x[1] != stored {
		t.Errorf("kept as %v: %v, want f32 with %v (%v)", v.Type, x, stored, err)
	}
}

func TestTokenizer(t *testing.T) {
	src := small(t)
	elsewhere := filepath.Join(t.TempDir(), "other.json")
	writeFile(t, elsewhere, readFile(t, filepath.Join(src, "tokenizer.json")))
	os.Remove(filepath.Join(src, "tokenizer.json"))

	_, err := Prepare(Options{Source: src, Type: quantize.F32})
	wantError(t, err, "no tokenizer.json in", src)
	if errors.Is(err, tensor.ErrDamaged) {
		t.Errorf("a missing tokenizer is called damage: %v", err)
	}
	c := prepare(t, Options{Source: src, Type: quantize.F32, NoTokenizer: true})
	if len(c.Notes) != 1 || c.source.tokenizer != nil {
		t.Errorf("without a tokenizer: notes %q", c.Notes)
	}
	c = prepare(t, Options{Source: src, Type: quantize.F32, Tokenizer: elsewhere})
	if len(c.source.tokenizer) == 0 || c.Sources[len(c.Sources)-1].File != "other.json" {
		t.Errorf("with a tokenizer from elsewhere: sources %v", c.Sources)
	}
	_, err = Prepare(Options{Source: src, Type: quantize.F32, Tokenizer: elsewhere, NoTokenizer: true})
	wantError(t, err, "at once")
	writeFile(t, elsewhere, []byte(`{"model": `))
	_, err = Prepare(Options{Source: src, Type: quantize.F32, Tokenizer: elsewhere})
	wantError(t, err, elsewhere)
	if !errors.Is(err, tensor.ErrDamaged) {
		t.Errorf("a broken tokenizer is not called damage: %v", err)
	}
}

func TestGenerationDefaults(t *testing.T) {
	src := small(t)
	path := filepath.Join(src, "generation.json")
	writeFile(t, path, []byte(`{"timestep_num": 8}`))
	meta, err := openArtifact(t, convertTo(t, src, quantize.F32, ExecuteOptions{})).Meta()
	if err != nil || string(meta.Generation) != `{"timestep_num": 8}` {
		t.Errorf("generation defaults %q, %v", meta.Generation, err)
	}
	writeFile(t, path, []byte(`{"timestep_num"`))
	_, err = Prepare(Options{Source: src, Type: quantize.F32})
	wantError(t, err, path, "not JSON")
}

func TestSourceErrors(t *testing.T) {
	empty := t.TempDir()
	_, err := Prepare(Options{Source: empty, Type: quantize.F32})
	wantError(t, err, empty, "cola_dit")
	_, err = Prepare(Options{Source: small(t)})
	wantError(t, err, "f32, f16 or bf16")

	src := small(t)
	writeFile(t, filepath.Join(src, "cola_dlm", "cola_vae", "config.json"), []byte(`{"latent_dim": 8}`))
	_, err = Prepare(Options{Source: src, Type: quantize.F32})
	wantError(t, err, "latent_dim")

	src = small(t)
	data := readFile(t, ditWeights(src))
	writeFile(t, ditWeights(src), data[:len(data)-100])
	_, err = Prepare(Options{Source: src, Type: quantize.F32})
	wantError(t, err, "model.safetensors")
	if !errors.Is(err, tensor.ErrDamaged) {
		t.Errorf("truncated weights: %v", err)
	}
}

// TestPlan checks actions and types by what the source holds.
func TestPlan(t *testing.T) {
	src := checkpointDir(t, smallDiT, smallVAE, synth.Options{Type: dtype.BF16})
	for s, want := range map[quantize.Scheme]Action{quantize.F32: Widen, quantize.BF16: Copy, quantize.F16: Round} {
		c := prepare(t, Options{Source: src, Type: s})
		if got := c.Steps[0].Action; got != want {
			t.Errorf("bf16 to %v: %s, want %s", s, got, want)
		}
		for _, step := range c.Steps {
			if len(step.Shape) == 1 && step.To != quantize.F32 || len(step.Shape) > 1 && step.To != s || step.Reason == "" {
				t.Errorf("%s %v is planned as %v because %q", step.Tensor, step.Shape, step.To, step.Reason)
			}
		}
	}
}
