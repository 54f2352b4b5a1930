package hf

import "testing"

// TestScalars: every field is listed, so that one of a new type is noticed.
func TestScalars(t *testing.T) {
	dit, vae := DefaultDiT(), DefaultVAE()
	if got, want := len(dit.Scalars()), len(dit.fields()); got != want {
		t.Errorf("%d scalars of cola_dit, want %d", got, want)
	}
	if got, want := len(vae.Scalars()), len(vae.fields())-1; got != want { // clip_qkv is null
		t.Errorf("%d scalars of cola_text_vae, want %d", got, want)
	}
	clip := 6.5
	vae.ClipQKV = &clip
	found := map[string]any{}
	for _, s := range vae.Scalars() {
		found[s.Key] = s.Value
	}
	for key, want := range map[string]any{"clip_qkv": 6.5, "vocab_size": 100278, "block_size": 4, "bias": true, "act": "swiglu", "layer_norm_eps": 1e-6} {
		if found[key] != want {
			t.Errorf("%s is %v, want %v", key, found[key], want)
		}
	}
}
