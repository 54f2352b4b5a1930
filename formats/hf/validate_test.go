package hf

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"colakit/formats/tensor"
)

// TestRefusals has one row for every rule: the change that breaks it and what
// the error must say. Integrity tells apart malformed from unsupported files.
func TestRefusals(t *testing.T) {
	const integrity, unsupported = true, false
	for _, c := range []struct {
		model, change string
		integrity     bool
		want          []string
	}{
		// Types.
		{"dit", `{"txt_dim":"32"}`, integrity, []string{"cola_dit", `"txt_dim"`, `found "32"`, "want an integer"}},
		{"dit", `{"txt_dim":32.0}`, integrity, []string{`"txt_dim"`, "found 32.0", "want an integer"}},
		{"dit", `{"txt_dim":null}`, integrity, []string{`"txt_dim"`, "found null", "want an integer"}},
		{"dit", `{"heads":1e99}`, integrity, []string{`"heads"`, "found 1e99", "want an integer"}},
		{"dit", `{"heads":99999999999999999999}`, integrity, []string{`"heads"`, "want an integer"}},
		{"dit", `{"norm_eps":"1e-5"}`, integrity, []string{`"norm_eps"`, `found "1e-5"`, "want a finite number"}},
		{"dit", `{"norm_eps":1e999}`, integrity, []string{`"norm_eps"`, "found 1e999", "want a finite number"}},
		{"dit", `{"qk_bias":"false"}`, integrity, []string{`"qk_bias"`, `found "false"`, "want true or false"}},
		{"vae", `{"scaling_factor":[1,1,1,1]}`, integrity, []string{"cola_text_vae", `"scaling_factor"`, "found [1,1,1,1]", "want a finite number"}},
		{"vae", `{"clip_qkv":{"a":1}}`, integrity, []string{`"clip_qkv"`, `found {"a":1}`, "want a finite number or null"}},
		{"vae", `{"act":7}`, integrity, []string{`"act"`, "found 7", "want a string"}},
		{"vae", `{"block_size":2.5}`, integrity, []string{`"block_size"`, "found 2.5", "want a whole number"}},
		{"dit", `{"model_type":"cola_text_vae"}`, integrity, []string{`"model_type"`, `found "cola_text_vae"`, `want "cola_dit"`}},
		{"vae", `{"model_type":null}`, integrity, []string{`"model_type"`, "found null", `want "cola_text_vae"`}},
		// Sizes.
		{"dit", `{"num_layers":-1}`, integrity, []string{"num_layers is -1", "want 0 to 4096"}},
		{"dit", `{"num_layers":4097}`, integrity, []string{"num_layers is 4097", "want 0 to 4096"}},
		{"dit", `{"heads":0}`, integrity, []string{"heads is 0", "want 1 to"}},
		{"dit", `{"head_dim":9223372036854775807}`, integrity, []string{"head_dim is 9223372036854775807"}},
		{"dit", `{"heads":1048576,"head_dim":1048576}`, integrity, []string{"heads·head_dim is 1099511627776"}},
		{"dit", `{"txt_dim":1048576,"expand_ratio":5}`, integrity, []string{"txt_dim·expand_ratio is 5242880"}},
		{"dit", `{"block_size":0}`, integrity, []string{"block_size is 0", "want 1 to"}},
		{"dit", `{"block_size":65537}`, integrity, []string{"block_size is 65537", "want 1 to 65536"}},
		{"vae", `{"block_size":1048577}`, integrity, []string{"block_size is 1048577", "want 1 to 1048576"}},
		{"dit", `{"patch_size":0}`, integrity, []string{"patch_size is 0", "want 1 to"}},
		{"vae", `{"vocab_size":16777217}`, integrity, []string{"vocab_size is 16777217"}},
		{"vae", `{"encoder_num_blocks":5000}`, integrity, []string{"encoder_num_blocks is 5000"}},
		{"vae", `{"decoder_num_blocks":5000}`, integrity, []string{"decoder_num_blocks is 5000"}},
		{"vae", `{"dim":0}`, integrity, []string{"dim is 0"}},
		{"vae", `{"ffn_dim":-2}`, integrity, []string{"ffn_dim is -2"}},
		{"vae", `{"patch_size":0}`, integrity, []string{"patch_size is 0"}},
		{"vae", `{"num_heads":0}`, integrity, []string{"num_heads is 0"}},
		{"vae", `{"shared_heads_kv":0}`, integrity, []string{"shared_heads_kv is 0"}},
		{"vae", `{"block_size":0}`, integrity, []string{"block_size is 0"}},
		// Models that nothing runs.
		{"dit", `{"emb_dim":64}`, unsupported, []string{"emb_dim is 64 and txt_dim is 32", "want them equal"}},
		{"dit", `{"txt_out_channels":8}`, unsupported, []string{"txt_out_channels is 8 and txt_in_channels is 4"}},
		{"dit", `{"patch_size":2}`, unsupported, []string{"patch_size is 2, want 1"}},
		{"dit", `{"rope_dim":7}`, unsupported, []string{"rope_dim is 7, want an even number"}},
		{"dit", `{"rope_dim":2}`, unsupported, []string{"rope_dim is 2, want at least 4"}},
		{"dit", `{"rope_dim":0}`, unsupported, []string{"rope_dim is 0, want at least 4"}},
		{"dit", `{"rope_dim":18}`, unsupported, []string{"rope_dim is 18 and head_dim is 16"}},
		{"dit", `{"norm_eps":1e39}`, unsupported, []string{"norm_eps is 1e+39"}},
		{"dit", `{"norm_eps":-1e-5}`, unsupported, []string{"norm_eps is -1e-05", "at least 0"}},
		{"vae", `{"layer_norm_eps":-1}`, unsupported, []string{"layer_norm_eps is -1", "at least 0"}},
		{"dit", `{"txt_in_channels":8,"txt_out_channels":8}`, unsupported, []string{"txt_in_channels is 8", "latent_dim is 4"}},
		{"dit", `{"dtype":"banana"}`, unsupported, []string{`dtype is "banana"`, `"bfloat16"`}},
		{"dit", `{"torch_dtype":"torch.bfloat16"}`, unsupported, []string{`dtype is "torch.bfloat16"`}},
		{"dit", `{"quantization_config":{"quant_method":"gptq"}}`, unsupported, []string{"quantization_config", "quantised"}},
		{"vae", `{"dim":33}`, unsupported, []string{"dim is 33 and num_heads is 2"}},
		{"vae", `{"dim":34}`, unsupported, []string{"dim/num_heads is 17, want an even number"}},
		{"vae", `{"num_heads":4,"shared_heads_kv":3}`, unsupported, []string{"num_heads is 4 and shared_heads_kv is 3"}},
		{"vae", `{"num_heads":4,"shared_heads_kv":2}`, unsupported, []string{"shared_heads_kv is 2, want 1 or num_heads (4)"}},
		{"vae", `{"layer_norm_type":"rms_norm"}`, unsupported, []string{`layer_norm_type is "rms_norm", want "layer_norm"`}},
		{"vae", `{"act":"relu"}`, unsupported, []string{`act is "relu"`, `"swiglu"`}},
		{"vae", `{"ffn_dim":63}`, unsupported, []string{"ffn_dim is 63, want an even number"}},
		{"vae", `{"layer_norm_eps":-1e39}`, unsupported, []string{"layer_norm_eps is -1e+39"}},
		{"vae", `{"rope_theta":0}`, unsupported, []string{"rope_theta is 0, want a positive number"}},
		{"vae", `{"rope_theta":-5}`, unsupported, []string{"rope_theta is -5"}},
		{"vae", `{"scaling_factor":1e39}`, unsupported, []string{"scaling_factor is 1e+39"}},
		{"vae", `{"shifting_factor":1e39}`, unsupported, []string{"shifting_factor is 1e+39"}},
		{"vae", `{"latent_dim":8}`, unsupported, []string{"txt_in_channels is 4", "latent_dim is 8"}},
		{"vae", `{"dropout":1.5}`, unsupported, []string{"dropout is 1.5"}},
		{"vae", `{"init_fn":"zeros"}`, unsupported, []string{`init_fn is "zeros"`}},
		{"vae", `{"init_std":0}`, unsupported, []string{"init_std is 0"}},
		{"vae", `{"init_cutoff_factor":"3"}`, unsupported, []string{`init_cutoff_factor is "3"`}},
	} {
		err := parseChanged(c.model, json.RawMessage(c.change))
		if err == nil {
			t.Errorf("%s %s is accepted", c.model, c.change)
			continue
		}
		if got := errors.Is(err, tensor.ErrDamaged); got != c.integrity || got == errors.Is(err, ErrUnsupported) {
			t.Errorf("%s %s: %v: damaged %v, want %v", c.model, c.change, err, got, c.integrity)
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s %s: %q does not say %q", c.model, c.change, err, want)
			}
		}
	}
}

func TestAcceptedPeculiarities(t *testing.T) {
	for _, c := range []struct{ model, change string }{
		{"dit", `{"num_layers":0}`},
		{"dit", `{"heads":3,"head_dim":5,"rope_dim":4}`},
		{"dit", `{"qk_bias":null}`},
		{"dit", `{"block_size":16}`},
		{"vae", `{"encoder_num_blocks":0,"decoder_num_blocks":0}`},
		{"vae", `{"rope_theta":10000.5}`},
		{"vae", `{"clip_qkv":0}`},
		{"vae", `{"block_size":4.0}`},
		{"vae", `{"block_size":0,"block_causal":false}`},
		{"vae", `{"causal":true,"use_emb":false,"attn_dropout":7}`},
		{"vae", `{"ffn_dim":63,"act":"gelu"}`},
	} {
		if err := parseChanged(c.model, json.RawMessage(c.change)); err != nil {
			t.Errorf("%s %s: %v", c.model, c.change, err)
		}
	}
}

// TestTokensOfABlock bounds what the shortest prompt is padded to.
func TestTokensOfABlock(t *testing.T) {
	for patch, ok := range map[int]bool{4: true, 5: false} {
		dit := changed(baseDiT, json.RawMessage(`{"block_size":16384}`))
		vae := changed(baseVAE, json.RawMessage(fmt.Sprintf(`{"patch_size":%d}`, patch)))
		_, err := ParseConfig(marshal(dit), marshal(vae))
		if ok != (err == nil) || !ok && (!errors.Is(err, tensor.ErrDamaged) || !strings.Contains(err.Error(), "block_size·patch_size is 81920, want 1 to 65536")) {
			t.Errorf("patch_size %d: %v", patch, err)
		}
	}
}
