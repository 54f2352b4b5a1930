package catalog

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/formats/hf"
	"colakit/reference/generate"
)

func tiny(t *testing.T) hf.Config {
	t.Helper()
	cfg, err := hf.ParseConfig(
		[]byte(`{"txt_dim": 8, "emb_dim": 8, "heads": 2, "head_dim": 4, "rope_dim": 4, "num_layers": 2, "expand_ratio": 3}`),
		[]byte(`{"vocab_size": 20, "dim": 12, "ffn_dim": 32, "num_heads": 3, "encoder_num_blocks": 1, "decoder_num_blocks": 1, "patch_size": 2}`))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// unit resolves a site in a bundle of the given level.
func unit(t *testing.T, c *Catalog, level, name string) Unit {
	t.Helper()
	site, err := generate.ParseSite(name)
	if err != nil {
		t.Fatal(err)
	}
	op, ok := c.Lookup(site)
	if !ok {
		t.Fatalf("%s is not in the catalogue", name)
	}
	return c.Unit(op, func(path string) bool {
		at := site
		at.Path = path
		other, ok := c.Lookup(at)
		return ok && other.Recorded(level, site.Stage)
	})
}

func TestUnits(t *testing.T) {
	c := New(tiny(t), 7)
	tests := []struct {
		level, site string
		want        Unit // without Op
	}{
		{"ops", "b00/s01/cond/dit.blocks.1.mlp.out", Unit{
			Kind: Product, Terms: 24, Parts: []string{"mlp.out"}, Inputs: []string{"mlp.act"}, Tensors: []string{"mlp.proj_out"},
		}},
		{"ops", "b00/s01/cond/dit.blocks.1.msa.norm", Unit{
			Kind: Normalisation, Terms: 8, Parts: []string{"in", "msa.norm"}, Inputs: []string{"dit.blocks.0.mlp.residual"},
		}},
		{"ops", "b00/commit/dit.blocks.1.msa.v", Unit{
			Kind: Copy, Parts: []string{"msa.v"}, Inputs: []string{"msa.qkv"},
		}},
		{"ops", "b00/s01/uncond/dit.blocks.1.msa.attn", Unit{
			Kind: Attention, Attentions: 1, Parts: []string{"msa.v", "msa.attn"}, Inputs: []string{"msa.scores", "msa.qkv", Cache},
		}},
		{"layers", "b00/s01/cond/dit.blocks.1.msa.out", Unit{
			Kind: Chain, Terms: 8 + 8 + 272 + 8 + 4 + 4 + 4 + 8 + 8, Attentions: 1, Ahead: 8,
			Parts: []string{"msa.norm", "dit.emb.sinusoid", "dit.emb", "ada.msa_in.shift", "ada.msa_in.scale", "msa.in", "msa.qkv",
				"msa.q", "msa.q_rot", "msa.k", "msa.k_rot", "msa.scores", "msa.v", "msa.attn", "msa.out"},
			Inputs: []string{"in", Timesteps, Cache},
			Tensors: []string{"dit.emb_in.proj_in", "dit.emb_in.proj_hid", "dit.emb_in.proj_out", "ada.msa_in.1",
				"msa.proj_qkv", "msa.norm_q", "msa.rope.rope.freqs", "msa.norm_k", "msa.proj_out"},
		}},
		{"tokens", "b00/s01/velocity", Unit{Kind: Elementwise, Parts: []string{"velocity"}, Inputs: []string{"cond/dit.velocity", "uncond/dit.velocity"}}},
	}
	for _, tt := range tests {
		t.Run(tt.level+"/"+tt.site, func(t *testing.T) {
			got := unit(t, c, tt.level, tt.site)
			got.Op = nil
			for _, list := range [][]string{got.Parts, got.Inputs, got.Tensors} {
				for i := range list {
					list[i] = strings.TrimPrefix(list[i], "dit.blocks.1.")
				}
			}
			slices.Sort(got.Parts)
			slices.Sort(tt.want.Parts)
			slices.Sort(got.Tensors)
			slices.Sort(tt.want.Tensors)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestEveryInputExists walks the whole graph of several configurations.
func TestEveryInputExists(t *testing.T) {
	cfg := tiny(t)
	plain := cfg
	plain.VAE.PostNorm, plain.VAE.QKNorm, plain.VAE.EncoderLastLN = false, false, false
	for name, cfg := range map[string]hf.Config{"post norm": cfg, "pre norm": plain} {
		c := New(cfg, 7)
		for _, op := range c.Ops() {
			for _, in := range op.Inputs {
				if _, ok := c.ops[in]; !ok && in[0] != '(' && op.Section != Loop {
					t.Errorf("%s: %s uses %s, which does not exist", name, op.Path, in)
				}
			}
		}
	}
}

// TestEveryTensorIsUsed holds the catalogue against the inventory.
func TestEveryTensorIsUsed(t *testing.T) {
	cfg := tiny(t)
	used := map[string]bool{}
	for _, op := range New(cfg, 7).Ops() {
		for _, m := range op.Tensors {
			used[m] = true
		}
	}
	for _, e := range cfg.Inventory() {
		module := strings.TrimSuffix(strings.TrimSuffix(e.Name, ".weight"), ".bias")
		if !used[e.Name] && !used[module] {
			t.Errorf("no operation uses %s", e.Name)
		}
	}
}

func TestLookup(t *testing.T) {
	c := New(tiny(t), 7)
	tests := []struct {
		site string
		ok   bool
	}{
		{"encode/vae.latents", true},
		{"encode/vae.encoder.blocks.0.attn.k_raw", false}, // the encoder has no cache
		{"prefill/vae.decoder.blocks.0.attn.k_raw", true},
		{"prefill/vae.decoder.logits", false},
		{"prefill/dit.blocks.1.msa.v", true},
		{"b00/s00/cond/dit.blocks.1.msa.v", false},
		{"b00/s00/cond/dit.velocity", true},
		{"b00/commit/dit.velocity", false},
		{"b00/s00/velocity", true},
		{"b00/s00/cond/velocity", false},
		{"b00/s00/dit.velocity", false},
		{"b00/s00/cond/dit.blocks.2.in", false},
	}
	for _, tt := range tests {
		site, err := generate.ParseSite(tt.site)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := c.Lookup(site); ok != tt.ok {
			t.Errorf("%s: found %v, want %v", tt.site, ok, tt.ok)
		}
	}
}

func TestLevels(t *testing.T) {
	want := map[Level]string{Never: "", Always: "tokens layers ops", Layers: "layers ops", LayersOnly: "layers", OpsOnly: "ops"}
	for level, in := range want {
		for _, bundle := range []string{"tokens", "layers", "ops"} {
			if got := level.In(bundle); got != slices.Contains(strings.Fields(in), bundle) {
				t.Errorf("level %d in %s: %v", level, bundle, got)
			}
		}
	}
}
