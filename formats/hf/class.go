package hf

// Class is the role of a tensor. Policies that decide about precision go by it.
type Class uint8

// The classes. The zero value is no class at all.
const (
	NoClass           Class = iota
	Embedding               // the VAE's token embedding
	Head                    // the VAE's projection to the vocabulary
	DiTProjection           // weights of the prior's qkv, attention output and MLP
	VAEProjection           // weights of the VAE's qkv, attention output and FFN
	AdaLN                   // weights that map the timestep embedding to shift, scale and gate
	TimestepEmbedding       // weights of emb_in
	LatentProjection        // weights to and from the latent: txt_in, txt_out, encoder.final_layer, decoder.in_layer
	PatchConvolution        // weights between tokens and latents: patch_embedder, unpatch_layer
	Norm                    // weights of LayerNorms
	Bias                    // biases of every module
	Buffer                  // values that follow from the configuration: rotary frequencies
	AdaTable                // modulations of a schedule's timesteps, in place of AdaLN and TimestepEmbedding
)

var classNames = [...]string{
	NoClass:           "none",
	Embedding:         "embedding",
	Head:              "head",
	DiTProjection:     "dit-projection",
	VAEProjection:     "vae-projection",
	AdaLN:             "adaln",
	TimestepEmbedding: "timestep-embedding",
	LatentProjection:  "latent-projection",
	PatchConvolution:  "patch-convolution",
	Norm:              "norm",
	Bias:              "bias",
	Buffer:            "buffer",
	AdaTable:          "adaln-table",
}

// String returns the class in lower case, words joined by hyphens.
func (c Class) String() string {
	if int(c) >= len(classNames) {
		c = NoClass
	}
	return classNames[c]
}

// MarshalText writes String.
func (c Class) MarshalText() ([]byte, error) { return []byte(c.String()), nil }
