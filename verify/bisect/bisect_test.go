package bisect

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/convert"
	"colakit/formats/cola"
	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/golden"
	"colakit/quantize"
	"colakit/reference"
	"colakit/reference/generate"
	"colakit/verify/catalog"
)

// tiny converts the embedded model.
func tiny(t *testing.T, s quantize.Scheme) (*cola.File, hf.Config) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tiny.cola")
	_, err := convert.FS(t.Context(), golden.Tiny(), path, convert.Options{Type: s})
	check(t, err)
	file, err := cola.Open(path)
	check(t, err)
	t.Cleanup(func() { file.Close() })
	meta, err := file.Meta()
	check(t, err)
	cfg, err := hf.ParseConfig(meta.DiTConfig, meta.VAEConfig)
	check(t, err)
	return file, cfg
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func engine(t *testing.T, src tensor.Source, cfg hf.Config, o reference.Options) generate.Engine {
	t.Helper()
	e, err := reference.New(src, cfg, o)
	check(t, err)
	t.Cleanup(func() { e.Close() })
	return e
}

// options lays out a run of two blocks of two steps.
func options(cfg hf.Config, by By, a, b tensor.Source) Options {
	run := generate.Defaults()
	run.Steps, run.MaxNewTokens, run.PadTokenID, run.Sampling.Temperature = 2, 8, 767, 0
	return Options{
		By: by, Config: cfg, Run: run, Noise: generate.PerSample{Base: 66, IDs: []int64{0}}, A: a, B: b, SameEngine: true,
		Prompts: []generate.Prompt{{Name: "prompt", Tokens: []int32{5, 6, 7, 8, 9, 10}}},
	}
}

// spoilt is a source with other values in some tensors.
type spoilt struct {
	tensor.Source
	by map[string]float32 // tensor → what is added to its first element
}

func (s spoilt) Read(name string) (tensor.View, error) {
	v, err := s.Source.Read(name)
	if by := s.by[name]; by != 0 && err == nil {
		values, err := v.Float32s()
		if err != nil {
			return v, err
		}
		own := append([]float32(nil), values...)
		own[0] += by
		return tensor.FromFloat32s(name, v.Shape, own), nil
	}
	return v, err
}

// TestHybridIsEitherSide: with nothing swapped a hybrid is A, with everything it is B,
// to the last bit.
func TestHybridIsEitherSide(t *testing.T) {
	f32, cfg := tiny(t, quantize.F32)
	int8, _ := tiny(t, quantize.Int8)
	for _, o := range []reference.Options{{}, {Contract: generate.Released}} {
		a, b := engine(t, f32, cfg, o), engine(t, int8, cfg, o)
		alone := func(e generate.Engine) outcome {
			w := &watch{Engine: e, steps: 2}
			run := options(cfg, Layers, f32, int8)
			run.Run.Tap = &tapOnly{w}
			_, err := generate.Run(t.Context(), w, run.Prompts, run.Run, run.Noise)
			check(t, err)
			return w.outcome
		}
		for all, want := range map[bool]outcome{false: alone(a), true: alone(b)} {
			s := &search{o: options(cfg, Layers, f32, int8), hybrid: newHybrid(a, b, catalog.New(cfg, 7))}
			got, err := s.run(t.Context(), func(generate.Site, *catalog.Op) bool { return all })
			check(t, err)
			if d := cmp.Diff(want, got, cmp.AllowUnexported(outcome{})); d != "" {
				t.Errorf("all swapped: %v, %v: %.300s", all, o.Contract, d)
			}
		}
	}
}

// tapOnly hides that a watch is an engine, too.
type tapOnly struct{ *watch }

// TestFindsWhatDiffers: a fault in one tensor is all of the drift, wherever it is looked
// for.
func TestFindsWhatDiffers(t *testing.T) {
	f32, cfg := tiny(t, quantize.F32)
	tests := []struct {
		name  string
		by    By
		spoil string
		group string
		op    string // within the layer
		rule  string
	}{
		{"a layer of the prior", Layers, "dit.blocks.2.msa.proj_out.weight", "dit 2", "dit.blocks.2.msa.out", `^dit\.blocks\.2\.msa\.proj_out\.weight$=f32`},
		{"a layer of the encoder", Layers, "vae.encoder.blocks.1.ffn_out.weight", "encoder 1", "vae.encoder.blocks.1.ffn.out", `^vae\.encoder\.blocks\.1\.ffn_out\.weight$=f32`},
		{"outside the layers", Layers, "dit.txt_in.proj.weight", "dit", "dit.txt_in", `^dit\.txt_in\.proj\.weight$=f32`},
		{"the decoder, which only the logits show", Layers, "vae.decoder.in_layer.weight", "decoder", "vae.decoder.in_layer", `^vae\.decoder\.in_layer\.weight$=f32`},
		{"an operation", Ops, "dit.blocks.1.mlp.proj_in.weight", "dit mlp.hidden", "", `^dit\.blocks\.1\.mlp\.proj_in\.weight$=f32`},
		{"a class", Classes, "dit.blocks.1.mlp.proj_in.weight", "DiT projection", "", `^dit\.blocks\.1\.mlp\.proj_in\.weight$=f32`},
	}
	a := engine(t, f32, cfg, reference.Options{})
	for _, tt := range tests {
		if _, err := f32.Read(tt.spoil); err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		other := spoilt{f32, map[string]float32{tt.spoil: 1}}
		r, err := Run(t.Context(), a, engine(t, other, cfg, reference.Options{}), options(cfg, tt.by, f32, other))
		check(t, err)
		if len(r.Chosen) != 1 || !strings.EqualFold(r.Chosen[0].Group, tt.group) && tt.by != Classes || r.Chosen[0].Left != (Drift{}) || r.Chosen[0].Share != 1 || !r.Reached {
			t.Errorf("%s: chosen %+v", tt.name, r.Chosen)
		}
		if r.Groups[0].Alone != r.Whole || r.Sum != 1 {
			t.Errorf("%s: alone %v of %v", tt.name, r.Groups[0].Alone, r.Whole)
		}
		if tt.op != "" && (r.Ops == nil || len(r.Ops.Chosen) != 1 || r.Ops.Chosen[0].Group != tt.op) {
			t.Errorf("%s: within %+v", tt.name, r.Ops)
		}
		if len(r.Rules) != 1 || r.Rules[0] != tt.rule || r.Kept == nil || *r.Kept != (Drift{}) {
			t.Errorf("%s: rules %q leave %+v", tt.name, r.Rules, r.Kept)
		}
		for _, g := range r.Groups[1:] {
			if !g.Same {
				t.Errorf("%s: %s was measured, and holds the same tensors", tt.name, g.Name)
			}
		}
	}
}

// TestRunDivisions: steps, branches and stages divide two contracts; parts and whole are
// of one kind, and nothing is kept for tensors that are the same.
func TestRunDivisions(t *testing.T) {
	f32, cfg := tiny(t, quantize.F32)
	a, b := engine(t, f32, cfg, reference.Options{}), engine(t, f32, cfg, reference.Options{Contract: generate.Released})
	for by, names := range map[By]string{
		Steps: "commit,decode,encode,prefill,step 00,step 01", Branches: "commit,cond,decode,encode,prefill,uncond", Stages: "commit,decode,denoise,encode,prefill",
	} {
		o := options(cfg, by, f32, f32)
		o.SameEngine = false
		r, err := Run(t.Context(), a, b, o)
		check(t, err)
		found := map[string]Group{}
		for i, g := range r.Groups {
			found[g.Name] = g
			if i > 0 && g.Share > r.Groups[i-1].Share {
				t.Errorf("%s: %s is ranked below less", by, g.Name)
			}
		}
		for _, name := range strings.Split(names, ",") {
			g, ok := found[name]
			if !ok || g.Same || name != "decode" && name != "prefill" && g.Alone.Latents == 0 || name == "decode" && (g.Alone.Latents != 0 || g.Alone.KL == 0) {
				t.Errorf("%s: %s is %+v", by, name, g)
			}
			delete(found, name)
		}
		if len(found) > 0 || len(r.Rules) > 0 || r.Whole.Latents == 0 || len(r.Chosen) == 0 || !r.Reached {
			t.Errorf("%s: whole %v, chosen %v, rules %v, others %v", by, r.Whole, r.Chosen, r.Rules, found)
		}
	}
}

// TestNoDrift: sides that are the same have nothing to choose.
func TestNoDrift(t *testing.T) {
	f32, cfg := tiny(t, quantize.F32)
	e := func() generate.Engine { return engine(t, f32, cfg, reference.Options{}) }
	r, err := Run(t.Context(), e(), e(), options(cfg, Layers, f32, f32))
	check(t, err)
	if r.Whole != (Drift{}) || len(r.Chosen) > 0 || r.Ops != nil || r.Kept != nil || len(r.Notes) == 0 {
		t.Errorf("%+v", r)
	}
}

// TestResume: a run that was ended goes on where it stood, and comes to the same result,
// even if the last line was cut short.
func TestResume(t *testing.T) {
	f32, cfg := tiny(t, quantize.F32)
	int8, _ := tiny(t, quantize.Int8)
	a, b := engine(t, f32, cfg, reference.Options{}), engine(t, int8, cfg, reference.Options{})
	o := options(cfg, Stages, f32, int8)
	want, err := Run(t.Context(), a, b, o)
	check(t, err)
	path := filepath.Join(t.TempDir(), "state")
	binding := Binding{Program: "test", A: "a", B: "b", Run: "r"}
	open := func() *Journal {
		j, err := OpenJournal(path, binding)
		check(t, err)
		return j
	}
	ctx, cancel := context.WithCancel(t.Context())
	o.Journal = open()
	o.Progress = func(_ string, done, _ int64) {
		if done == 5 {
			cancel()
		}
	}
	if _, err := Run(ctx, a, b, o); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
	check(t, o.Journal.Close())
	raw, err := os.ReadFile(path)
	check(t, err)
	check(t, os.WriteFile(path, raw[:len(raw)-7], 0o666))
	o.Progress, o.Journal = nil, open()
	if n := o.Journal.Known(); n != 4 {
		t.Errorf("%d figures are known, want 4", n)
	}
	got, err := Run(t.Context(), a, b, o)
	check(t, err)
	check(t, o.Journal.Close())
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	binding.B = "another"
	if _, err := OpenJournal(path, binding); err == nil || !strings.Contains(err.Error(), "another bisection") {
		t.Errorf("error %v", err)
	}
	check(t, os.WriteFile(path, append(raw, "nonsense\n"...), 0o666))
	binding.B = "b"
	if _, err := OpenJournal(path, binding); !errors.Is(err, tensor.ErrDamaged) {
		t.Errorf("error %v", err)
	}
	check(t, os.WriteFile(path, []byte("something else\n"), 0o666))
	if _, err := OpenJournal(path, binding); err == nil || !strings.Contains(err.Error(), "no state of a bisection") {
		t.Errorf("error %v", err)
	}
}
