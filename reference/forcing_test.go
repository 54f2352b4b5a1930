package reference

import (
	"context"
	"slices"
	"strings"
	"testing"

	"colakit/formats/tensor"
	"colakit/reference/generate"
)

// Forcing an engine with everything that it showed itself changes nothing, under
// both contracts and for every kind of model.
func TestForcedWithItsOwnValues(t *testing.T) {
	for name, cfg := range variants() {
		for _, contract := range bothContracts {
			t.Run(name+"/"+contract.String(), func(t *testing.T) {
				ids := samples(cfg, 2, 0)
				e := newTestEngine(t, cfg, Options{Contract: contract})
				seen := &recorder{}
				e.Observe(seen)
				want := exercise(t, e, cfg, ids, 0, 1)
				e.Observe(&forcer{replace: func(s generate.Site) (tensor.View, bool) { v, ok := seen.views[s.String()]; return v, ok }})
				if got := exercise(t, e, cfg, ids, 0, 1); relativeError(got.Cond2, want.Cond2) != 0 || relativeError(got.Logits, want.Logits) != 0 {
					t.Error("the results changed")
				}
			})
		}
	}
}

// A forced value is used by all that follows it, caches included.
func TestForcedValuesPropagate(t *testing.T) {
	cfg := small()
	ids := samples(cfg, 2)
	e := newTestEngine(t, cfg, Options{})
	seen := &recorder{}
	e.Observe(seen)
	exercise(t, e, cfg, ids, 0)
	for _, c := range []struct{ forced, reaches string }{
		{"encode/vae.encoder.wte", "encode/vae.latents"},
		{"encode/vae.encoder.blocks.0.attn.scores", "encode/vae.encoder.blocks.0.attn.attn"},
		{"encode/vae.encoder.blocks.1.attn.k", "encode/vae.encoder.blocks.1.attn.k_rot"},
		{"prefill/dit.blocks.0.msa.k", "b00/s00/cond/dit.blocks.0.msa.k_rot"},
		{"prefill/dit.blocks.1.msa.v", "b00/s00/cond/dit.blocks.1.msa.attn"},
		{"prefill/dit.blocks.0.msa.qkv", "prefill/dit.blocks.0.msa.v"},
		{"prefill/vae.decoder.blocks.0.attn.k_raw", "b00/decode/vae.decoder.blocks.0.attn.k_rot"},
		{"prefill/vae.decoder.blocks.1.attn.v", "b00/decode/vae.decoder.logits"},
		{"b00/s00/cond/dit.emb.sinusoid", "b00/s00/cond/dit.blocks.1.ada.mlp_out.gate"},
		{"b00/s00/cond/dit.emb", "b00/s00/cond/dit.txt_out_ada.out_in.scale"},
		{"b00/s00/cond/dit.blocks.0.ada.msa_in.shift", "b00/s00/cond/dit.blocks.0.msa.in"},
		{"b00/s00/cond/dit.blocks.0.ada.msa_in.scale", "b00/s00/cond/dit.blocks.0.msa.in"},
		{"b00/s00/cond/dit.blocks.0.ada.msa_out.gate", "b00/s00/cond/dit.blocks.0.msa.residual"},
		{"b00/s00/cond/dit.blocks.1.in", "b00/s00/cond/dit.blocks.1.msa.residual"},
		{"b00/s00/uncond/dit.blocks.1.msa.q_rot", "b00/s00/uncond/dit.blocks.1.msa.scores"},
		{"b00/s00/uncond/dit.blocks.0.mlp.act", "b00/s00/uncond/dit.velocity"},
		{"b00/commit/dit.blocks.1.msa.k", "b01/s00/cond/dit.velocity"},
		{"b00/decode/vae.decoder.logits", "b00/decode/logits.logsumexp"},
	} {
		original, ok := seen.views[c.forced]
		if !ok {
			t.Errorf("%s is not shown", c.forced)
			continue
		}
		other := original
		other.Data = slices.Clone(original.Data)
		halve(other.Data)
		second := &forcer{replace: func(s generate.Site) (tensor.View, bool) { return other, s.String() == c.forced }}
		e.Observe(second)
		exercise(t, e, cfg, ids, 0)
		if slices.Equal(second.views[c.reaches].Data, seen.views[c.reaches].Data) {
			t.Errorf("%s does not notice that %s was replaced", c.reaches, c.forced)
		}
		before := seen.names[:slices.Index(seen.names, c.forced)+1]
		for _, name := range before {
			if !slices.Equal(second.views[name].Data, seen.views[name].Data) {
				t.Errorf("%s changes, though %s comes later", name, c.forced)
			}
		}
	}
}

// halve halves every second of the float32 values.
func halve(data []byte) {
	for i := 3; i < len(data); i += 8 {
		if data[i]&0x7f > 1 {
			data[i-1] ^= 0x80
			if data[i-1]&0x80 != 0 {
				data[i]--
			}
		}
	}
}

// A replacement of another shape is an error, not a panic.
func TestForcedShapeIsChecked(t *testing.T) {
	cfg := small()
	e := newTestEngine(t, cfg, Options{})
	e.Observe(&forcer{replace: func(s generate.Site) (tensor.View, bool) {
		return tensor.FromFloat32s("", tensor.Shape{1, 2}, make([]float32, 2)), s.Path == "dit.blocks.0.msa.q"
	}})
	_, err := tryExercise(context.Background(), e, cfg, samples(cfg, 2), 0)
	if err == nil || !strings.Contains(err.Error(), "prefill/dit.blocks.0.msa.q") || !strings.Contains(err.Error(), "[6, 3, 8]") {
		t.Errorf("error %v; it should name the tap and the shape wanted", err)
	}
}
