package hf

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/formats/tensor"
)

type recorded struct {
	Name       string
	DiT        json.RawMessage
	VAE        json.RawMessage
	DiTTensors map[string]tensor.Shape `json:"dit_tensors"`
	VAETensors map[string]tensor.Shape `json:"vae_tensors"`
}

func TestInventoryIsThatOfThePublicPackage(t *testing.T) {
	var cases []recorded
	readTestdata(t, "tensors.json", &cases)
	if len(cases) < 12 {
		t.Fatalf("only %d configurations", len(cases))
	}
	for _, c := range cases {
		cfg, err := ParseConfig(c.DiT, c.VAE)
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		dit, vae := map[string]tensor.Shape{}, map[string]tensor.Shape{}
		for _, e := range cfg.Inventory() {
			into := dit
			if e.Model == VAE {
				into = vae
			}
			if _, twice := into[e.Source]; twice {
				t.Errorf("%s: %s is listed twice", c.Name, e.Source)
			}
			into[e.Source] = e.Shape
		}
		if diff := cmp.Diff(c.DiTTensors, dit); diff != "" {
			t.Errorf("%s: cola_dit: package − here +\n%s", c.Name, diff)
		}
		if diff := cmp.Diff(c.VAETensors, vae); diff != "" {
			t.Errorf("%s: cola_text_vae: package − here +\n%s", c.Name, diff)
		}
	}
}

func TestInventoryNamesAndClasses(t *testing.T) {
	inventory := Config{DefaultDiT(), DefaultVAE()}.Inventory()
	classes := map[string]Class{}
	parameters := map[Class]int64{}
	for _, e := range inventory {
		if e.Name != e.Model.Native(e.Source) {
			t.Errorf("%s is not the native name of %s", e.Name, e.Source)
		}
		if e.Class == NoClass || e.Optional != (e.Class == Buffer) {
			t.Errorf("%s: class %v, optional %v", e.Name, e.Class, e.Optional)
		}
		if (e.Class == Bias) != strings.HasSuffix(e.Name, ".bias") {
			t.Errorf("%s: class %v", e.Name, e.Class)
		}
		classes[e.Name] = e.Class
		n, err := e.Shape.Elements()
		if err != nil {
			t.Fatal(err)
		}
		parameters[e.Class] += n
	}
	for name, want := range map[string]Class{
		"dit.txt_in.proj.weight":                    LatentProjection,
		"dit.emb_in.proj_hid.weight":                TimestepEmbedding,
		"dit.blocks.23.msa.proj_qkv.weight":         DiTProjection,
		"dit.blocks.0.msa.norm_k.weight":            Norm,
		"dit.blocks.0.msa.rope.rope.freqs":          Buffer,
		"dit.blocks.0.ada.mlp_out.1.weight":         AdaLN,
		"dit.blocks.0.mlp.proj_out.weight":          DiTProjection,
		"dit.txt_out_ada.out_in.1.weight":           AdaLN,
		"vae.encoder.wte.weight":                    Embedding,
		"vae.encoder.patch_embedder.weight":         PatchConvolution,
		"vae.encoder.blocks.3.qkv_proj.weight":      VAEProjection,
		"vae.decoder.blocks.0.ffn_out.weight":       VAEProjection,
		"vae.decoder.unpatch_layer.weight":          PatchConvolution,
		"vae.decoder.final_norm.weight":             Norm,
		"vae.decoder.final_layer.weight":            Head,
		"vae.decoder.in_layer.bias":                 Bias,
		"vae.encoder.final_layer.weight":            LatentProjection,
		"vae.encoder.blocks.0.attn_out_proj.weight": VAEProjection,
	} {
		if got := classes[name]; got != want {
			t.Errorf("%s: class %v, want %v", name, got, want)
		}
	}
	want := map[Class]int64{
		Embedding: 100279 * 1536, Head: 100278 * 1536,
		DiTProjection: 24 * 12 * 2048 * 2048, AdaLN: (24*6 + 2) * 2048 * 2048,
		VAEProjection:     8 * (4*1536*1536 + 6144*1536 + 3072*1536),
		TimestepEmbedding: 2048 * (256 + 2*2048),
		LatentProjection:  2*16*2048 + 3*16*1536, PatchConvolution: 2 * 1536 * 1536,
		Norm: 24*2*128 + 2048 + (8*4+1)*1536, Buffer: 24 * 48,
		Bias: parameters[Bias],
	}
	if diff := cmp.Diff(want, parameters); diff != "" {
		t.Errorf("parameters by class: want − got +\n%s", diff)
	}
}

func TestModuleNamesAreTheInventorys(t *testing.T) {
	cfg := Config{DefaultDiT(), DefaultVAE()}
	cfg.DiT.QKBias, cfg.VAE.QKBias = true, true
	left := map[string]bool{}
	for _, e := range cfg.Inventory() {
		left[e.Name] = true
	}
	use := func(modules ...Module) {
		for _, m := range modules {
			delete(left, m.Weight())
			delete(left, m.Bias())
		}
	}
	use(DiTTxtIn, DiTEmbProjIn, DiTEmbProjHid, DiTEmbProjOut, DiTTxtOutNorm, DiTTxtOutAda, DiTTxtOut,
		EncoderWTE, EncoderPatch, EncoderFinal, DecoderIn, DecoderUnpatch, DecoderNorm, DecoderFinal)
	for i := range 24 {
		m := DiTBlockModules(i)
		use(m.QKV, m.Out, m.NormQ, m.NormK, m.MLPIn, m.MLPOut, m.AdaMSAIn, m.AdaMSAOut, m.AdaMLPIn, m.AdaMLPOut)
		delete(left, m.RopeFreqs)
	}
	for i := range 4 {
		for _, prefix := range []string{EncoderBlock(i), DecoderBlock(i)} {
			m := VAEBlockModules(prefix)
			use(m.NormAttn, m.QKV, m.QNorm, m.KNorm, m.AttnOut, m.NormFFN, m.FFNProj, m.FFNOut)
		}
	}
	for name := range left {
		t.Errorf("no module name for %s", name)
	}
}

func TestNative(t *testing.T) {
	for _, c := range []struct {
		model        Model
		source, want string
	}{
		{DiT, "txt_in.proj.bias", "dit.txt_in.proj.bias"},
		{DiT, "dit.txt_in.proj.bias", "dit.txt_in.proj.bias"},
		{VAE, "encoder.wte.weight", "vae.encoder.wte.weight"},
		{VAE, "text_vae.encoder.wte.weight", "vae.encoder.wte.weight"},
		{VAE, "dit.encoder.wte.weight", "vae.dit.encoder.wte.weight"},
	} {
		if got := c.model.Native(c.source); got != c.want {
			t.Errorf("%v %s: %s, want %s", c.model, c.source, got, c.want)
		}
	}
}

// TestLargestInventory holds the bounds to what they promise.
func TestLargestInventory(t *testing.T) {
	dit, vae := DefaultDiT(), DefaultVAE()
	dit.TxtInChannels, dit.TxtOutChannels, dit.TxtDim, dit.EmbDim = maxLatent, maxLatent, maxWidth, maxWidth
	dit.Heads, dit.HeadDim, dit.ExpandRatio, dit.NumLayers = 1, maxWidth, maxHidden/maxWidth, maxBlocks
	vae.VocabSize, vae.EncoderNumBlocks, vae.DecoderNumBlocks = maxVocab, maxBlocks, maxBlocks
	vae.Dim, vae.FFNDim, vae.LatentDim, vae.PatchSize, vae.NumHeads = maxWidth, maxHidden, maxLatent, maxPatch, 1
	cfg := Config{dit, vae}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	inventory := cfg.Inventory()
	if len(inventory) > 1<<18 {
		t.Errorf("%d tensors", len(inventory))
	}
	var bytes int64
	for _, e := range inventory {
		n, err := e.Shape.Elements()
		if err != nil || n > (1<<62)/8 || bytes > 1<<62 {
			t.Fatalf("%s %v: %v, %d bytes so far", e.Name, e.Shape, err, bytes)
		}
		bytes += 8 * n
	}
}
