package hf

import "encoding/json"

// DiTConfig is the config.json of the block-causal prior, cola_dit.
type DiTConfig struct {
	TxtInChannels  int     // channels of a latent coming in; the VAE's LatentDim
	TxtOutChannels int     // channels of the velocity going out; the same
	TxtDim         int     // width of the trunk
	EmbDim         int     // width of the timestep embedding; equals TxtDim
	Heads          int     // attention heads; Heads·HeadDim need not equal TxtDim
	HeadDim        int     // channels of one head
	ExpandRatio    int     // hidden width of the MLP over TxtDim
	NumLayers      int     // blocks of the trunk; 0 is possible
	NormEps        float64 // of every LayerNorm of the prior
	QKBias         bool    // biases on proj_qkv and on proj_out
	PatchSize      int     // latents of one row; 1
	RopeDim        int     // leading channels of a head that are rotated, in pairs
	BlockSize      int     // latents of one generated block

	// Extra holds the keys that have no field above, as they were read.
	Extra map[string]json.RawMessage
}

// VAEConfig is the config.json of the text VAE, cola_text_vae.
type VAEConfig struct {
	VocabSize         int      // width of the logits; the embedding has one row more
	EncoderNumBlocks  int      // 0 is possible
	DecoderNumBlocks  int      // 0 is possible
	Dim               int      // width of the trunk
	FFNDim            int      // output width of ffn_proj; swiglu halves it for ffn_out
	LatentDim         int      // channels of a latent
	PatchSize         int      // tokens of one latent
	NumHeads          int      // query heads
	SharedHeadsKV     int      // query heads that share one key and value head: 1 or NumHeads
	EncoderLastLN     bool     // LayerNorm over the mean of the posterior
	LayerNormType     string   // "layer_norm"
	LayerNormEps      float64  // of every LayerNorm of the VAE
	LayerNormAffine   bool     // of norm_attn alone; norm_ffn and final_norm are always affine
	PostNorm          bool     // norms after attention and FFN, not before
	QKBias            bool     // bias on qkv_proj
	QKNorm            bool     // q_norm and k_norm exist
	QKNormAffine      bool     // q_norm and k_norm have parameters
	ClipQKV           *float64 // qkv becomes min(max(qkv, −ClipQKV), ClipQKV); nil: it stays
	RopeTheta         float64  // base of the rotary frequencies
	RopeFullPrecision bool     // rotate in float32 whatever the activations are
	Bias              bool     // biases on attn_out_proj, ffn_proj, ffn_out and the final and input layers
	Act               string   // "swiglu", "silu" or "gelu" (erf)
	Causal            bool     // without effect in the public package
	BlockCausal       bool     // block-causal mask; false: none at all, samples of a batch see each other
	BlockSize         int      // latents of one block of that mask; may differ from the prior's
	UseVariation      bool     // final_layer yields mean and log-variance
	ScalingFactor     float64  // latent = (mode − ShiftingFactor)·ScalingFactor
	ShiftingFactor    float64

	// Extra holds the keys that have no field above, as they were read.
	Extra map[string]json.RawMessage
}

// Config holds the configurations of both models of a checkpoint.
type Config struct {
	DiT DiTConfig
	VAE VAEConfig
}

// DefaultDiT returns the class defaults of cola_dit.
func DefaultDiT() DiTConfig {
	return DiTConfig{
		TxtInChannels: 16, TxtOutChannels: 16, TxtDim: 2048, EmbDim: 2048,
		Heads: 16, HeadDim: 128, ExpandRatio: 4, NumLayers: 24,
		NormEps: 1e-5, PatchSize: 1, RopeDim: 96, BlockSize: 4,
	}
}

// DefaultVAE returns the class defaults of cola_text_vae.
func DefaultVAE() VAEConfig {
	return VAEConfig{
		VocabSize: 100278, EncoderNumBlocks: 4, DecoderNumBlocks: 4,
		Dim: 1536, FFNDim: 6144, LatentDim: 16, PatchSize: 1, NumHeads: 12, SharedHeadsKV: 1,
		EncoderLastLN: true, LayerNormType: "layer_norm", LayerNormEps: 1e-6, LayerNormAffine: true, PostNorm: true,
		QKNorm: true, QKNormAffine: true, RopeTheta: 500000, RopeFullPrecision: true,
		Bias: true, Act: "swiglu", BlockCausal: true, BlockSize: 4, UseVariation: true, ScalingFactor: 1,
	}
}

// ParseDiTConfig reads a cola_dit config.json. A key that is missing takes the
// class default; the result is one that the public package can run.
func ParseDiTConfig(raw []byte) (DiTConfig, error) {
	c := DefaultDiT()
	extra, err := decode(raw, modelTypeDiT, c.fields())
	if err != nil {
		return DiTConfig{}, err
	}
	c.Extra = extra
	return c, c.validate()
}

// ParseVAEConfig reads a cola_text_vae config.json. A key that is missing takes
// the class default; the result is one that the public package can run.
func ParseVAEConfig(raw []byte) (VAEConfig, error) {
	c := DefaultVAE()
	extra, err := decode(raw, modelTypeVAE, c.fields())
	if err != nil {
		return VAEConfig{}, err
	}
	c.Extra = extra
	return c, c.validate()
}

// ParseConfig reads both configurations and checks that the models fit together.
func ParseConfig(dit, vae []byte) (Config, error) {
	d, err := ParseDiTConfig(dit)
	if err != nil {
		return Config{}, err
	}
	v, err := ParseVAEConfig(vae)
	if err != nil {
		return Config{}, err
	}
	c := Config{DiT: d, VAE: v}
	return c, c.validatePair()
}

// MarshalJSON writes every key of a cola_dit config.json, Extra included.
func (c DiTConfig) MarshalJSON() ([]byte, error) {
	return encode(modelTypeDiT, c.fields(), c.Extra)
}

// MarshalJSON writes every key of a cola_text_vae config.json, Extra included.
func (c VAEConfig) MarshalJSON() ([]byte, error) {
	return encode(modelTypeVAE, c.fields(), c.Extra)
}

// The values of the key model_type.
const (
	modelTypeDiT = "cola_dit"
	modelTypeVAE = "cola_text_vae"
)

func (c *DiTConfig) fields() []field {
	return []field{
		{"txt_in_channels", &c.TxtInChannels},
		{"txt_out_channels", &c.TxtOutChannels},
		{"txt_dim", &c.TxtDim},
		{"emb_dim", &c.EmbDim},
		{"heads", &c.Heads},
		{"head_dim", &c.HeadDim},
		{"expand_ratio", &c.ExpandRatio},
		{"num_layers", &c.NumLayers},
		{"norm_eps", &c.NormEps},
		{"qk_bias", &c.QKBias},
		{"patch_size", &c.PatchSize},
		{"rope_dim", &c.RopeDim},
		{"block_size", &c.BlockSize},
	}
}

func (c *VAEConfig) fields() []field {
	return []field{
		{"vocab_size", &c.VocabSize},
		{"encoder_num_blocks", &c.EncoderNumBlocks},
		{"decoder_num_blocks", &c.DecoderNumBlocks},
		{"dim", &c.Dim},
		{"ffn_dim", &c.FFNDim},
		{"latent_dim", &c.LatentDim},
		{"patch_size", &c.PatchSize},
		{"num_heads", &c.NumHeads},
		{"shared_heads_kv", &c.SharedHeadsKV},
		{"encoder_last_ln", &c.EncoderLastLN},
		{"layer_norm_type", &c.LayerNormType},
		{"layer_norm_eps", &c.LayerNormEps},
		{"layer_norm_affine", &c.LayerNormAffine},
		{"post_norm", &c.PostNorm},
		{"qk_bias", &c.QKBias},
		{"qk_norm", &c.QKNorm},
		{"qk_norm_affine", &c.QKNormAffine},
		{"clip_qkv", &c.ClipQKV},
		{"rope_theta", &c.RopeTheta},
		{"rope_full_precision", &c.RopeFullPrecision},
		{"bias", &c.Bias},
		{"act", &c.Act},
		{"causal", &c.Causal},
		{"block_causal", &c.BlockCausal},
		{"block_size", integral{&c.BlockSize}},
		{"use_variation", &c.UseVariation},
		{"scaling_factor", &c.ScalingFactor},
		{"shifting_factor", &c.ShiftingFactor},
	}
}
