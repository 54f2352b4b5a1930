package hf

import (
	"strconv"
	"strings"
)

// Model says which of the two models of a checkpoint a tensor belongs to.
type Model uint8

// The models of a checkpoint.
const (
	DiT Model = iota // the block-causal prior
	VAE              // the text VAE
)

// String returns "dit" or "vae".
func (m Model) String() string {
	if m == VAE {
		return "vae"
	}
	return "dit"
}

// Prefix returns what stands before a checkpoint's tensor name in the native
// name: "dit." or "vae.".
func (m Model) Prefix() string { return m.String() + "." }

// Native returns the native name of a tensor of the checkpoint. Transformers
// also loads names that carry the class's own prefix, "dit." or "text_vae.".
func (m Model) Native(source string) string {
	base := "dit."
	if m == VAE {
		base = "text_vae."
	}
	return m.Prefix() + strings.TrimPrefix(source, base)
}

// Module is the native name of a module that owns a weight and perhaps a bias.
type Module string

// Weight returns the native name of the module's weight.
func (m Module) Weight() string { return string(m) + ".weight" }

// Bias returns the native name of the module's bias.
func (m Module) Bias() string { return string(m) + ".bias" }

// The modules outside the blocks. Shapes: d trunk width, c latent channels,
// p patch size, v vocabulary; a Linear's weight is [out, in].
const (
	DiTTxtIn       Module = "dit.txt_in.proj"            // Linear [d, c]
	DiTEmbProjIn   Module = "dit.emb_in.proj_in"         // Linear [d, 256]
	DiTEmbProjHid  Module = "dit.emb_in.proj_hid"        // Linear [d, d]
	DiTEmbProjOut  Module = "dit.emb_in.proj_out"        // Linear [d, d]
	DiTTxtOutNorm  Module = "dit.txt_out_norm"           // LayerNorm [d]
	DiTTxtOutAda   Module = "dit.txt_out_ada.out_in.1"   // Linear [2d, d]: shift, scale
	DiTTxtOut      Module = "dit.txt_out.proj"           // Linear [c, d]
	EncoderWTE     Module = "vae.encoder.wte"            // Embedding [v+1, d], no bias
	EncoderPatch   Module = "vae.encoder.patch_embedder" // Conv1d [d, d, p], stride p
	EncoderFinal   Module = "vae.encoder.final_layer"    // Linear [2c or c, d]
	DecoderIn      Module = "vae.decoder.in_layer"       // Linear [d, c]
	DecoderUnpatch Module = "vae.decoder.unpatch_layer"  // Linear [p·d, d]
	DecoderNorm    Module = "vae.decoder.final_norm"     // LayerNorm [d]
	DecoderFinal   Module = "vae.decoder.final_layer"    // Linear [v, d]
)

// DiTBlock returns the prefix of block i of the prior: "dit.blocks.3.".
func DiTBlock(i int) string { return "dit.blocks." + strconv.Itoa(i) + "." }

// EncoderBlock returns the prefix of block i of the VAE's encoder.
func EncoderBlock(i int) string { return "vae.encoder.blocks." + strconv.Itoa(i) + "." }

// DecoderBlock returns the prefix of block i of the VAE's decoder.
func DecoderBlock(i int) string { return "vae.decoder.blocks." + strconv.Itoa(i) + "." }

// DiTModules names the modules of one block of the prior. d is the trunk width,
// a = heads·head_dim, f = d·expand_ratio.
type DiTModules struct {
	QKV, Out             Module // Linear [3a, d] and [d, a]
	NormQ, NormK         Module // LayerNorm [head_dim]
	MLPIn, MLPOut        Module // Linear [f, d] and [d, f]
	AdaMSAIn, AdaMLPIn   Module // Linear [2d, d]: shift, then scale
	AdaMSAOut, AdaMLPOut Module // Linear [d, d]: gate
	RopeFreqs            string // optional buffer [rope_dim/2]
}

// DiTBlockModules returns the names of block i of the prior.
func DiTBlockModules(i int) DiTModules {
	p := DiTBlock(i)
	m := func(name string) Module { return Module(p + name) }
	return DiTModules{
		QKV: m("msa.proj_qkv"), Out: m("msa.proj_out"),
		NormQ: m("msa.norm_q"), NormK: m("msa.norm_k"),
		MLPIn: m("mlp.proj_in"), MLPOut: m("mlp.proj_out"),
		AdaMSAIn: m("ada.msa_in.1"), AdaMSAOut: m("ada.msa_out.1"),
		AdaMLPIn: m("ada.mlp_in.1"), AdaMLPOut: m("ada.mlp_out.1"),
		RopeFreqs: p + "msa.rope.rope.freqs",
	}
}

// VAEModules names the modules of one block of the VAE. d is the trunk width,
// k = d/shared_heads_kv, f = ffn_dim, g = f/2 under swiglu, else f.
type VAEModules struct {
	NormAttn     Module // LayerNorm [d]
	QKV          Module // Linear [d+2k, d]
	QNorm, KNorm Module // LayerNorm [d] and [k]
	AttnOut      Module // Linear [d, d]
	NormFFN      Module // LayerNorm [d]
	FFNProj      Module // Linear [f, d]
	FFNOut       Module // Linear [d, g]
}

// VAEBlockModules returns the names of the block with the given prefix, as
// EncoderBlock and DecoderBlock return it.
func VAEBlockModules(prefix string) VAEModules {
	m := func(name string) Module { return Module(prefix + name) }
	return VAEModules{
		NormAttn: m("norm_attn"), QKV: m("qkv_proj"), QNorm: m("q_norm"), KNorm: m("k_norm"),
		AttnOut: m("attn_out_proj"), NormFFN: m("norm_ffn"), FFNProj: m("ffn_proj"), FFNOut: m("ffn_out"),
	}
}
