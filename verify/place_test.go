package verify

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/formats/hf"
	"colakit/golden"
	"colakit/reference/generate"
	"colakit/verify/catalog"
)

func TestPlaceOf(t *testing.T) {
	tests := []struct {
		tap   string
		want  Place
		layer string
		words string
	}{
		{"encode/vae.encoder.blocks.1.attn.out", Place{"encode", -1, -1, "encoder", 1, "attn.out", "vae.encoder.blocks.1.attn.out"}, "encoder 1", "attn.out of encoder layer 1; encode"},
		{"encode/vae.latents", Place{"encode", -1, -1, "encoder", -1, "latents", "vae.latents"}, "encoder", "latents of the encoder; encode"},
		{"prefill/dit.blocks.0.msa.k", Place{"prefill", -1, -1, "dit", 0, "msa.k", "dit.blocks.0.msa.k"}, "dit 0", "msa.k of dit layer 0; prefill"},
		{"b00/s03/cond/dit.velocity", Place{"cond", 0, 3, "dit", -1, "velocity", "dit.velocity"}, "dit", "velocity of the dit; cond, block 0, step 3"},
		{"b12/s03/z_next", Place{"latents", 12, 3, "loop", -1, "z_next", "z_next"}, "loop", "z_next of the loop; latents, block 12, step 3"},
		{"b01/decode/logits.top_ids", Place{"decode", 1, -1, "decoder", -1, "logits.top_ids", "logits.top_ids"}, "decoder", "logits.top_ids of the decoder; decode, block 1"},
		{"b01/commit/dit.blocks.23.mlp.out", Place{"commit", 1, -1, "dit", 23, "mlp.out", "dit.blocks.23.mlp.out"}, "dit 23", "mlp.out of dit layer 23; commit, block 1"},
	}
	for _, tt := range tests {
		got, err := PlaceOf(tt.tap)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" || got.LayerName() != tt.layer || got.String() != tt.words {
			t.Errorf("%s: %q, %q (-want +got)\n%s", tt.tap, got.LayerName(), got, diff)
		}
	}
	if _, err := PlaceOf("nowhere"); err == nil {
		t.Error("a name that is no tap's has a place")
	}
}

// TestPlacesAreTheCatalogs holds places against the catalogue, which knows sections
// and layers of its operations without their names.
func TestPlacesAreTheCatalogs(t *testing.T) {
	b, err := golden.OpenFS(golden.TinyBundles()[0].Files)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := hf.ParseConfig(b.Info.Model.DiT, b.Info.Model.VAE)
	if err != nil {
		t.Fatal(err)
	}
	c := catalog.New(cfg, 7)
	for _, tap := range b.Info.Taps {
		site, err := generate.ParseSite(tap.Name)
		if err != nil {
			continue // noise
		}
		op, ok := c.Lookup(site)
		p, err := PlaceOf(tap.Name)
		if !ok || err != nil || p.Section != string(op.Section) || p.Layer != op.Layer || op.Layer >= 0 && p.Op != op.Name {
			t.Errorf("%s: %+v, the catalogue has %s %d %s (%v)", tap.Name, p, op.Section, op.Layer, op.Name, err)
		}
	}
}
