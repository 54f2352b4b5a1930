package selftest

import (
	"slices"
	"strings"
	"testing"

	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/internal/synth"
)

// The configuration of a model that is unlike the embedded one: a single layer and
// head, patches of two tokens, another activation, no biases in the VAE.
const (
	otherDiT = `{"block_size":3,"emb_dim":20,"txt_dim":20,"expand_ratio":2,"head_dim":12,"heads":1,"norm_eps":1e-5,"num_layers":1,
		"patch_size":1,"qk_bias":true,"rope_dim":8,"txt_in_channels":6,"txt_out_channels":6}`
	otherVAE = `{"act":"gelu","bias":false,"block_causal":true,"block_size":3,"decoder_num_blocks":1,"dim":24,"encoder_num_blocks":1,"ffn_dim":36,
		"latent_dim":6,"num_heads":2,"patch_size":2,"post_norm":false,"qk_norm":true,"scaling_factor":0.5,"shifting_factor":0.25,"vocab_size":61,
		"pad_token_id":60,"eos_token_id":59}`
)

func made(t *testing.T, dit, vae string) (*Model, hf.Config) {
	t.Helper()
	cfg, err := hf.ParseConfig([]byte(dit), []byte(vae))
	if err != nil {
		t.Fatal(err)
	}
	src := synth.NewSource(cfg, dtype.F32, 3)
	m := &memory{descs: src.Descs(), views: map[string]tensor.View{}}
	for _, d := range m.descs {
		if m.views[d.Name], err = src.Read(d.Name); err != nil {
			t.Fatal(err)
		}
	}
	return &Model{Name: "made up", Weights: m, DiT: []byte(dit), VAE: []byte(vae)}, cfg
}

// TestGeneral runs cases of every kind on the other model; the program runs all.
func TestGeneral(t *testing.T) {
	m, cfg := made(t, otherDiT, otherVAE)
	kinds := []string{
		"transposed:dit.blocks.0.ada.msa_out", "row:vae.encoder.wte", "doubled:dit.blocks.0.mlp.proj_in.weight", "nan:vae.decoder",
		"way:half-−-1:exact", "way:other-pairs:exact", "pinned-rows-not-pinned", "as-it-is", "f16:exact-layers",
	}
	cases := slices.DeleteFunc(General(cfg), func(c Case) bool {
		return !slices.ContainsFunc(kinds, func(kind string) bool { return strings.HasPrefix(c.Name, kind) })
	})
	if testing.Short() {
		cases = cases[:3]
	}
	o := options()
	o.Model = m
	r, err := Run(t.Context(), cases, o)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(r.Results); n < len(kinds) && !testing.Short() {
		t.Errorf("%d cases", n)
	}
	for _, result := range r.Results {
		if !result.Right || result.Skipped != "" {
			t.Errorf("%s: %s%s\n    %s at %s\n    said %s", result.Name, result.Problem, result.Skipped, result.Verdict, result.Located, result.Said)
		}
	}
}

// TestGeneralNames: no two cases share a name.
func TestGeneralNames(t *testing.T) {
	_, cfg := made(t, otherDiT, otherVAE)
	seen := map[string]bool{}
	for _, c := range General(cfg) {
		if seen[c.Name] || c.Imitates == "" || c.Group == "" {
			t.Errorf("%q is there twice, or not described", c.Name)
		}
		seen[c.Name] = true
	}
	if len(seen) < 150 {
		t.Errorf("%d cases", len(seen))
	}
}
