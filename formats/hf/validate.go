package hf

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"colakit/formats/tensor"
)

// ErrUnsupported is wrapped by the errors about a configuration that is well
// formed but that no implementation runs, the public package included.
var ErrUnsupported = errors.New("unsupported configuration")

// Bounds of the sizes in a configuration. They lie far beyond any real model
// and keep every product of them, the whole inventory's bytes included, within
// 63 bits, and the inventory itself below 2^18 tensors.
const (
	maxWidth  = 1 << 20 // trunk widths, and heads·head_dim
	maxHidden = 1 << 22 // hidden widths of MLP and FFN
	maxVocab  = 1 << 24
	maxBlocks = 4096 // blocks of one trunk
	maxPatch  = 4096 // tokens of one latent
	maxLatent = 1 << 16
	maxSpan   = 1 << 16 // latents of one generated block, and its tokens
	maxMask   = 1 << 20 // latents of one block of the VAE's mask
)

// size is a value of a configuration with its bounds.
type size struct {
	key           string
	value, lo, hi int
}

// rule is a condition that a configuration breaks, and the text that says so.
type rule struct {
	broken bool
	text   string
}

func checkSizes(model string, sizes []size) error {
	for _, s := range sizes {
		if s.value < s.lo || s.value > s.hi {
			return tensor.Damagedf("%s config: %s is %d, want %d to %d", model, s.key, s.value, s.lo, s.hi)
		}
	}
	return nil
}

func checkRules(model string, rules []rule) error {
	for _, r := range rules {
		if r.broken {
			return fmt.Errorf("%s config: %w: %s", model, ErrUnsupported, r.text)
		}
	}
	return nil
}

func (c DiTConfig) validate() error {
	err := checkSizes(modelTypeDiT, []size{
		{"txt_in_channels", c.TxtInChannels, 1, maxLatent},
		{"txt_out_channels", c.TxtOutChannels, 1, maxLatent},
		{"txt_dim", c.TxtDim, 1, maxWidth},
		{"emb_dim", c.EmbDim, 1, maxWidth},
		{"heads", c.Heads, 1, maxWidth},
		{"head_dim", c.HeadDim, 1, maxWidth},
		{"expand_ratio", c.ExpandRatio, 1, maxHidden},
		{"num_layers", c.NumLayers, 0, maxBlocks},
		{"patch_size", c.PatchSize, 1, maxPatch},
		{"rope_dim", c.RopeDim, 0, maxWidth},
		{"block_size", c.BlockSize, 1, maxSpan},
	})
	if err == nil {
		err = checkSizes(modelTypeDiT, []size{
			{"heads·head_dim", c.InnerDim(), 1, maxWidth},
			{"txt_dim·expand_ratio", c.HiddenDim(), 1, maxHidden},
		})
	}
	if err == nil {
		err = checkRules(modelTypeDiT, append(c.rules(), loaderRules(c.Extra)...))
	}
	return err
}

func (c DiTConfig) rules() []rule {
	return []rule{
		{c.EmbDim != c.TxtDim,
			fmt.Sprintf("emb_dim is %d and txt_dim is %d, want them equal: the timestep embedding modulates the trunk", c.EmbDim, c.TxtDim)},
		{c.TxtOutChannels != c.TxtInChannels,
			fmt.Sprintf("txt_out_channels is %d and txt_in_channels is %d, want them equal: a velocity has the channels of its latent", c.TxtOutChannels, c.TxtInChannels)},
		{c.PatchSize != 1,
			fmt.Sprintf("patch_size is %d, want 1: the public package's own inference fails with a larger one", c.PatchSize)},
		{c.RopeDim%2 != 0,
			fmt.Sprintf("rope_dim is %d, want an even number: channels are rotated in pairs", c.RopeDim)},
		{c.RopeDim < 4,
			fmt.Sprintf("rope_dim is %d, want at least 4: the rotary embedding is not defined below it", c.RopeDim)},
		{c.RopeDim > c.HeadDim,
			fmt.Sprintf("rope_dim is %d and head_dim is %d, want rope_dim to fit into a head", c.RopeDim, c.HeadDim)},
		{!positive(c.NormEps), fmt.Sprintf("norm_eps is %v, want a float32 number of at least 0: the square root of a negative variance is no number", c.NormEps)},
	}
}

func (c VAEConfig) validate() error {
	err := checkSizes(modelTypeVAE, []size{
		{"vocab_size", c.VocabSize, 1, maxVocab},
		{"encoder_num_blocks", c.EncoderNumBlocks, 0, maxBlocks},
		{"decoder_num_blocks", c.DecoderNumBlocks, 0, maxBlocks},
		{"dim", c.Dim, 1, maxWidth},
		{"ffn_dim", c.FFNDim, 1, maxHidden},
		{"latent_dim", c.LatentDim, 1, maxLatent},
		{"patch_size", c.PatchSize, 1, maxPatch},
		{"num_heads", c.NumHeads, 1, maxWidth},
		{"shared_heads_kv", c.SharedHeadsKV, 1, maxWidth},
	})
	if err == nil && c.BlockCausal {
		err = checkSizes(modelTypeVAE, []size{{"block_size", c.BlockSize, 1, maxMask}})
	}
	if err == nil {
		err = checkRules(modelTypeVAE, slices.Concat(c.rules(), c.valueRules(), trainingRules(c.Extra), loaderRules(c.Extra)))
	}
	return err
}

// rules are the conditions between sizes and on the names of variants.
func (c VAEConfig) rules() []rule {
	return []rule{
		{c.Dim%c.NumHeads != 0,
			fmt.Sprintf("dim is %d and num_heads is %d, want dim to be a multiple of num_heads", c.Dim, c.NumHeads)},
		{c.HeadDim()%2 != 0,
			fmt.Sprintf("dim/num_heads is %d, want an even number: rotation splits a head in halves", c.HeadDim())},
		{c.NumHeads%c.SharedHeadsKV != 0,
			fmt.Sprintf("num_heads is %d and shared_heads_kv is %d, want num_heads to be a multiple of shared_heads_kv", c.NumHeads, c.SharedHeadsKV)},
		{c.SharedHeadsKV != 1 && c.SharedHeadsKV != c.NumHeads,
			fmt.Sprintf("shared_heads_kv is %d, want 1 or num_heads (%d): the public package's attention fails between them", c.SharedHeadsKV, c.NumHeads)},
		{c.LayerNormType != "layer_norm",
			fmt.Sprintf("layer_norm_type is %q, want \"layer_norm\"", c.LayerNormType)},
		{c.Act != ActSwiGLU && c.Act != ActSiLU && c.Act != ActGELU,
			fmt.Sprintf("act is %q, want \"swiglu\", \"silu\" or \"gelu\"", c.Act)},
		{c.Act == ActSwiGLU && c.FFNDim%2 != 0,
			fmt.Sprintf("ffn_dim is %d, want an even number: swiglu splits it in halves", c.FFNDim)},
	}
}

// valueRules are the conditions on real numbers.
func (c VAEConfig) valueRules() []rule {
	return []rule{
		{!positive(c.LayerNormEps), fmt.Sprintf("layer_norm_eps is %v, want a float32 number of at least 0: the square root of a negative variance is no number", c.LayerNormEps)},
		{!(float32(c.RopeTheta) > 0), fmt.Sprintf("rope_theta is %v, want a positive number", c.RopeTheta)},
		{!single(c.ScalingFactor), fmt.Sprintf("scaling_factor is %v, want a float32 number", c.ScalingFactor)},
		{!single(c.ShiftingFactor), fmt.Sprintf("shifting_factor is %v, want a float32 number", c.ShiftingFactor)},
	}
}

// Validate checks both configurations and that the models fit together, as
// ParseConfig does.
func (c Config) Validate() error {
	if err := c.DiT.validate(); err != nil {
		return err
	}
	if err := c.VAE.validate(); err != nil {
		return err
	}
	return c.validatePair()
}

func (c Config) validatePair() error {
	d, v := c.DiT, c.VAE
	if d.TxtInChannels != v.LatentDim {
		return fmt.Errorf("%w: %s txt_in_channels is %d and %s latent_dim is %d, want them equal: the models belong to different checkpoints",
			ErrUnsupported, modelTypeDiT, d.TxtInChannels, modelTypeVAE, v.LatentDim)
	}
	// Prompts are padded to whole blocks, so that this bounds what the shortest takes.
	return checkSizes(modelTypeDiT+" and "+modelTypeVAE, []size{{"block_size·patch_size", d.BlockSize * v.PatchSize, 1, maxSpan}})
}

// single reports whether x is finite in float32.
func single(x float64) bool { return math.Abs(x) <= math.MaxFloat32 }

// positive reports whether x is finite in float32 and not below 0.
func positive(x float64) bool { return single(x) && x >= 0 }
