package verify_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
	"colakit/reference"
	"colakit/reference/generate"
	"colakit/verify"
)

// wrapped is an engine with some of its methods spoilt.
type wrapped struct {
	generate.Engine
	pass   func(stage generate.Stage, p generate.Pass) generate.Pass
	commit func() bool // whether a block is committed
	encode func([][]float32)
	branch func(cond, uncond []float32) (c, u []float32)
	logits func(p generate.Pass, logits []float32)
	tap    func(generate.Tap) generate.Tap
}

func (w *wrapped) change(s generate.Stage, p generate.Pass) generate.Pass {
	if w.pass == nil {
		return p
	}
	p.Z, p.T = slices.Clone(p.Z), slices.Clone(p.T)
	return w.pass(s, p)
}

func (w *wrapped) Encode(ctx context.Context, ids [][]int32) ([][]float32, error) {
	latents, err := w.Engine.Encode(ctx, ids)
	if w.encode != nil && err == nil {
		w.encode(latents)
	}
	return latents, err
}

func (w *wrapped) Velocity(ctx context.Context, p generate.Pass) (cond, uncond []float32, err error) {
	cond, uncond, err = w.Engine.Velocity(ctx, w.change(generate.Denoise, p))
	if w.branch != nil && err == nil {
		cond, uncond = w.branch(cond, uncond)
	}
	return cond, uncond, err
}

func (w *wrapped) Decode(ctx context.Context, p generate.Pass) ([]float32, error) {
	logits, err := w.Engine.Decode(ctx, w.change(generate.Decode, p))
	if w.logits != nil && err == nil {
		w.logits(p, logits)
	}
	return logits, err
}

func (w *wrapped) Commit(ctx context.Context, p generate.Pass) error {
	if w.commit != nil && !w.commit() {
		return nil
	}
	return w.Engine.Commit(ctx, w.change(generate.Commit, p))
}

func (w *wrapped) Observe(tap generate.Tap) {
	if w.tap != nil && tap != nil {
		tap = w.tap(tap)
	}
	w.Engine.Observe(tap)
}

// filter changes what a tap is shown.
type filter struct {
	generate.Forcing
	hide string                        // suffix of a site never shown
	view func(tensor.View) tensor.View // of the sites that end in at
	at   string
}

func (f *filter) Want(s generate.Site) bool {
	return (f.hide == "" || !strings.HasSuffix(s.String(), f.hide)) && f.Forcing.Want(s)
}

func (f *filter) Record(s generate.Site, v tensor.View) error {
	if f.view != nil && strings.HasSuffix(s.String(), f.at) {
		v = f.view(v)
	}
	return f.Forcing.Record(s, v)
}

func (f *filter) Replace(s generate.Site) (tensor.View, bool, error) {
	if f.view != nil && strings.HasSuffix(s.String(), f.at) {
		return tensor.View{}, false, nil
	}
	return f.Forcing.Replace(s)
}

func seen(f filter) func(generate.Tap) generate.Tap {
	return func(tap generate.Tap) generate.Tap {
		own := f
		own.Forcing = tap.(generate.Forcing)
		return &own
	}
}

var engineFaults = []struct {
	name, bundle string
	fault        wrapped
	phase        string // of the first finding
	first        string // its subject
	says         string // a part of the reason or of the pattern
}{
	{
		name: "timesteps rounded where they should not be", bundle: "exact-layers",
		fault: wrapped{pass: func(s generate.Stage, p generate.Pass) generate.Pass {
			for i := range p.T {
				p.T[i] = dtype.RoundBF16(p.T[i])
			}
			return p
		}},
		phase: "isolated", first: "dit.blocks.0.msa.out", says: "in step 1, 2, 3, 4, 5, …, not in 0, 8, 12",
	},
	{
		name: "the embedding named where operations are recorded", bundle: "exact-ops",
		fault: wrapped{pass: func(s generate.Stage, p generate.Pass) generate.Pass {
			for i := range p.T {
				p.T[i] *= 1.001
			}
			return p
		}},
		phase: "isolated", first: "dit.emb.sinusoid", says: "its formula",
	},
	{
		name: "pinned rows that keep the schedule's time", bundle: "exact-ops",
		fault: wrapped{pass: func(s generate.Stage, p generate.Pass) generate.Pass {
			for i := range p.T {
				p.T[i] = slices.Max(p.T)
			}
			return p
		}},
		phase: "isolated", first: "dit.emb.sinusoid",
	},
	{
		name: "guidance with the branches exchanged", bundle: "exact-layers",
		fault: wrapped{branch: func(c, u []float32) ([]float32, []float32) { return u, c }},
		phase: "isolated", first: "velocity",
	},
	{
		name: "guidance in another precision", bundle: "released-layers",
		fault: wrapped{branch: func(c, u []float32) ([]float32, []float32) {
			for i := range c {
				c[i] *= 1 + 0x1p-8
			}
			return c, u
		}},
		phase: "isolated", first: "velocity",
	},
	{
		name: "latents scaled after the encoder", bundle: "exact-ops",
		fault: wrapped{encode: func(latents [][]float32) {
			for _, sample := range latents {
				for i := range sample {
					sample[i] *= 1.0001
				}
			}
		}},
		phase: "isolated", first: "dit.txt_in", says: "fed the golden's inputs",
	},
	{
		name: "the decoder given other latents", bundle: "exact-layers",
		fault: wrapped{pass: func(s generate.Stage, p generate.Pass) generate.Pass {
			if s == generate.Decode {
				p.Z[5] += 0.01
			}
			return p
		}},
		phase: "isolated", first: "vae.decoder.blocks.0.in",
	},
	{
		name: "a block that is not committed", bundle: "exact-layers",
		fault: wrapped{commit: func() bool { return false }},
		phase: "names", first: "taps on one side only", says: "b00/commit/",
	},
	{
		name: "a tap that is never shown", bundle: "exact-ops",
		fault: wrapped{tap: seen(filter{hide: "dit.blocks.1.mlp.act"})},
		phase: "names", first: "taps on one side only", says: "dit.blocks.1.mlp.act",
	},
	{
		name: "a missing rounding", bundle: "released-ops",
		fault: wrapped{tap: seen(filter{at: "dit.blocks.1.mlp.act", view: func(v tensor.View) tensor.View {
			values, _ := v.Float32s()
			return tensor.FromFloat32s(v.Name, v.Shape, values)
		}})},
		phase: "shapes and types", first: "dit.blocks.1.mlp.act", says: "a rounding is missing",
	},
	{
		name: "another shape", bundle: "exact-ops",
		fault: wrapped{tap: seen(filter{at: "dit.blocks.1.mlp.act", view: func(v tensor.View) tensor.View {
			v.Shape = tensor.Shape{v.Shape[1], v.Shape[0]}
			return v
		}})},
		phase: "shapes and types", first: "dit.blocks.1.mlp.act", says: "shape [384,",
	},
	{
		name: "other tokens from right logits", bundle: "exact-layers",
		fault: wrapped{logits: func(p generate.Pass, logits []float32) {
			if p.Block == 1 {
				logits[7] = 1e3
			}
		}},
		phase: "tokens", first: "generated tokens", says: "share of other ids",
	},
}

func TestFaultsOfAnEngineAreLocated(t *testing.T) {
	m := tiny(t)
	for i, f := range engineFaults {
		if testing.Short() && i%4 > 0 {
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			r := m.run(t, f.bundle, func(e generate.Engine) generate.Engine {
				f.fault.Engine = e
				return &f.fault
			}, reference.Options{Workers: 1})
			if r.Verdict != verify.Fail {
				t.Fatalf("verdict %s: %s", r.Verdict, r.Reason)
			}
			if first := r.Findings[0]; first.Phase != f.phase || first.Subject != f.first {
				t.Errorf("first finding %q, %q: %s; want %q, %q", first.Phase, first.Subject, first.Text, f.phase, f.first)
			}
			said := r.Reason
			if r.Divergence != nil {
				said += strings.Join(r.Divergence.Pattern, "\n")
			}
			if !strings.Contains(said, f.says) {
				t.Errorf("%q does not say %q", said, f.says)
			}
			for _, later := range r.Findings {
				if later.Phase == "free-running" && later.ExplainedBy == "" {
					t.Errorf("%s %s is not explained by the first finding", later.Phase, later.Subject)
				}
			}
		})
	}
}

// TestFaultlessVariationsPass runs what differs from the golden in order of
// summation, precision or storage only.
func TestFaultlessVariationsPass(t *testing.T) {
	m := tiny(t)
	tests := []struct {
		name    string
		model   *model
		o       reference.Options
		bundles []string
	}{
		{"as it is", m, reference.Options{}, []string{"exact-ops", "exact-layers", "released-ops", "released-layers"}},
		{"one worker", m, reference.Options{Workers: 1}, []string{"exact-ops", "released-ops"}},
		{"three workers", m, reference.Options{Workers: 3}, []string{"exact-layers", "released-layers"}},
		{"float64", m, reference.Options{Float64: true}, []string{"exact-ops", "exact-layers"}},
		{"an f16 artifact", m.as(t, dtype.F16), reference.Options{}, []string{"exact-ops", "released-layers"}},
		{"a bf16 artifact", m.as(t, dtype.BF16), reference.Options{}, []string{"exact-layers", "released-ops"}},
	}
	for _, tt := range tests {
		for _, name := range tt.bundles {
			t.Run(tt.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				if testing.Short() && name != "exact-ops" {
					t.Skip("one bundle is enough for a short test")
				}
				r := tt.model.run(t, name, nil, tt.o)
				if r.Verdict != verify.Pass {
					t.Fatalf("%s: %s", r.Verdict, r.Reason)
				}
				if r.Tokens.Compared == 0 || r.Coverage.Compared != r.Coverage.Taps {
					t.Errorf("tokens %+v, coverage %+v", r.Tokens, r.Coverage)
				}
			})
		}
	}
}
