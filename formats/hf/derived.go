package hf

// The activations of the VAE's FFN.
const (
	ActSwiGLU = "swiglu" // a·silu(g), a and g the halves of ffn_proj's output
	ActSiLU   = "silu"
	ActGELU   = "gelu" // the exact form, with erf
)

// SinusoidDim is the width of the timestep's sinusoid, fixed in the code.
const SinusoidDim = 256

// DiTRopeTheta is the base of the prior's rotary frequencies, fixed in the code.
const DiTRopeTheta = 10000

// InnerDim returns the width of the attention: heads·head_dim.
func (c DiTConfig) InnerDim() int { return c.Heads * c.HeadDim }

// HiddenDim returns the hidden width of the MLP.
func (c DiTConfig) HiddenDim() int { return c.TxtDim * c.ExpandRatio }

// HeadDim returns the channels of one head.
func (c VAEConfig) HeadDim() int { return c.Dim / c.NumHeads }

// KVHeads returns the number of key and value heads.
func (c VAEConfig) KVHeads() int { return c.NumHeads / c.SharedHeadsKV }

// KVDim returns the width of the keys, and of the values.
func (c VAEConfig) KVDim() int { return c.Dim / c.SharedHeadsKV }

// FFNHidden returns the input width of ffn_out: half of ffn_dim under swiglu.
func (c VAEConfig) FFNHidden() int {
	if c.Act == ActSwiGLU {
		return c.FFNDim / 2
	}
	return c.FFNDim
}

// EncoderOut returns the output width of the encoder's final layer: the mean and
// the log-variance, or the latent alone.
func (c VAEConfig) EncoderOut() int {
	if c.UseVariation {
		return 2 * c.LatentDim
	}
	return c.LatentDim
}
