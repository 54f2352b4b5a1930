package hf

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
)

func TestMissingKeysTakeTheDefaults(t *testing.T) {
	cfg, err := ParseConfig([]byte(`{}`), []byte(` {"model_type": "cola_text_vae"} `))
	if err != nil {
		t.Fatal(err)
	}
	want := Config{DefaultDiT(), DefaultVAE()}
	if diff := cmp.Diff(want, cfg, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("want − got +\n%s", diff)
	}
}

func TestEveryKeyIsRead(t *testing.T) {
	const dit = `{"txt_in_channels":5,"txt_out_channels":5,"txt_dim":30,"emb_dim":30,"heads":3,"head_dim":12,"expand_ratio":7,
		"num_layers":11,"norm_eps":0.125,"qk_bias":true,"patch_size":1,"rope_dim":8,"block_size":9,
		"dtype":"bfloat16","transformers_version":"5.0","x":{"y":[null]}}`
	const vae = `{"vocab_size":21,"encoder_num_blocks":2,"decoder_num_blocks":3,"dim":36,"ffn_dim":27,"latent_dim":5,"patch_size":4,
		"num_heads":6,"shared_heads_kv":6,"encoder_last_ln":false,"layer_norm_type":"layer_norm","layer_norm_eps":1,
		"layer_norm_affine":false,"post_norm":false,"qk_bias":1,"qk_norm":0,"qk_norm_affine":null,"clip_qkv":8,
		"rope_theta":12.5,"rope_full_precision":false,"bias":false,"act":"gelu","causal":true,"block_causal":false,
		"block_size":16.0,"use_variation":false,"scaling_factor":-2,"shifting_factor":3e-1,"dropout":0.1}`
	clip := 8.0
	want := Config{
		DiT: DiTConfig{
			TxtInChannels: 5, TxtOutChannels: 5, TxtDim: 30, EmbDim: 30, Heads: 3, HeadDim: 12, ExpandRatio: 7,
			NumLayers: 11, NormEps: 0.125, QKBias: true, PatchSize: 1, RopeDim: 8, BlockSize: 9,
			Extra: object(`{"dtype":"bfloat16","transformers_version":"5.0","x":{"y":[null]}}`),
		},
		VAE: VAEConfig{
			VocabSize: 21, EncoderNumBlocks: 2, DecoderNumBlocks: 3, Dim: 36, FFNDim: 27, LatentDim: 5, PatchSize: 4,
			NumHeads: 6, SharedHeadsKV: 6, LayerNormType: "layer_norm", LayerNormEps: 1, QKBias: true, ClipQKV: &clip,
			RopeTheta: 12.5, Act: "gelu", Causal: true, BlockSize: 16, ScalingFactor: -2, ShiftingFactor: 0.3,
			Extra: object(`{"dropout":0.1}`),
		},
	}
	got, err := ParseConfig([]byte(dit), []byte(vae))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want − got +\n%s", diff)
	}

	d, err := json.Marshal(got.DiT)
	if err != nil {
		t.Fatal(err)
	}
	v, err := json.Marshal(got.VAE)
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseConfig(d, v)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got, again); diff != "" {
		t.Errorf("after marshalling: before − after +\n%s", diff)
	}
}

func TestNotAConfiguration(t *testing.T) {
	for name, raw := range map[string]string{
		"empty":            "",
		"truncated":        `{"txt_dim": 32`,
		"a list":           `[]`,
		"null":             `null`,
		"trailing data":    `{} {}`,
		"byte order mark":  "\ufeff{}",
		"not a number":     `{"norm_eps": NaN}`,
		"larger than 1 MB": `{"x":"` + strings.Repeat("a", maxConfigBytes) + `"}`,
	} {
		_, dit := ParseDiTConfig([]byte(raw))
		_, vae := ParseVAEConfig([]byte(raw))
		for _, err := range []error{dit, vae} {
			if !errors.Is(err, tensor.ErrDamaged) {
				t.Errorf("%s: %v, want a damaged file", name, err)
			} else if strings.ContainsAny(err.Error(), "\n\r") || len(err.Error()) > 200 {
				t.Errorf("%s: %q is no line", name, err)
			}
		}
	}
}

// TestWrongKindsAreNamed: errors say what stands there, in words of JSON.
func TestWrongKindsAreNamed(t *testing.T) {
	for raw, want := range map[string]string{
		"[]":   "found a JSON array, want a JSON object",
		`"x"`:  "found a JSON string, want a JSON object",
		"null": "found null, want a JSON object",
		"{":    "found no JSON (unexpected end of JSON input), want a JSON object",
	} {
		if _, err := ParseDiTConfig([]byte(raw)); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: %v, want %q", raw, err, want)
		}
	}
}

func TestLastOfADuplicateKeyCounts(t *testing.T) {
	c, err := ParseVAEConfig([]byte(`{"vocab_size": "x", "vocab_size": 7}`))
	if err != nil || c.VocabSize != 7 {
		t.Errorf("vocab_size %d, %v; Python takes the last, 7", c.VocabSize, err)
	}
}

func TestLoadType(t *testing.T) {
	for _, c := range []struct {
		raw  string
		want dtype.Type
		ok   bool
	}{
		{`{}`, dtype.Invalid, false},
		{`{"dtype":null}`, dtype.Invalid, false},
		{`{"dtype":"bfloat16"}`, dtype.BF16, true},
		{`{"torch_dtype":"half"}`, dtype.F16, true},
		{`{"torch_dtype":"bfloat16","dtype":"float32"}`, dtype.F32, true},
		{`{"torch_dtype":"double","dtype":null}`, dtype.F64, true},
	} {
		cfg, err := ParseConfig([]byte(c.raw), []byte(c.raw))
		if err != nil {
			t.Errorf("%s: %v", c.raw, err)
		}
		if got, ok := cfg.DiT.LoadType(); got != c.want || ok != c.ok {
			t.Errorf("%s: %v, %v", c.raw, got, ok)
		}
		if got, ok := cfg.VAE.LoadType(); got != c.want || ok != c.ok {
			t.Errorf("%s: %v, %v", c.raw, got, ok)
		}
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(`{}`), []byte(`{}`))
	f.Add(marshal(baseDiT), marshal(baseVAE))
	f.Add([]byte(`{"num_layers":4096,"qk_bias":null}`), []byte(`{"clip_qkv":-1,"block_size":3.0}`))
	f.Add([]byte(`{"dtype":"half","model_type":"cola_dit"}`), []byte(`{"act":"gelu","rope_theta":1e300,"init_std":"\u2028"}`))
	f.Fuzz(func(t *testing.T, dit, vae []byte) {
		cfg, err := ParseConfig(dit, vae)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r\x1b") {
				t.Errorf("%q is no line", err)
			}
			return
		}
		if cfg.DiT.NumLayers+cfg.VAE.EncoderNumBlocks+cfg.VAE.DecoderNumBlocks > 64 {
			return // TestLargestInventory has it
		}
		for _, e := range cfg.Inventory() {
			if n, err := e.Shape.Elements(); err != nil || n == 0 {
				t.Fatalf("%s %v: %v", e.Name, e.Shape, err)
			}
		}
		raw, err := json.Marshal(cfg.DiT)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseDiTConfig(raw); err != nil {
			t.Errorf("%s: %v", raw, err)
		}
	})
}
