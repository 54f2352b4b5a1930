package catalog

import (
	"colakit/formats/hf"
	"colakit/reference/generate"
)

// addEncoder lists the VAE's encoder over whole prompts.
func (c *Catalog) addEncoder(cfg hf.VAEConfig) {
	stages := []generate.Stage{generate.Encode}
	p := part{c, Encoder, -1, "vae.encoder.", stages}
	p.op("wte", Copy, 0, OpsOnly, Tokens).uses(hf.EncoderWTE).laid(TokenRows)
	p.op("patch", Product, cfg.Dim*cfg.PatchSize, OpsOnly, "wte").uses(hf.EncoderPatch)
	last := "/vae.encoder.patch"
	for i := range cfg.EncoderNumBlocks {
		b := part{c, Encoder, i, hf.EncoderBlock(i), stages}
		b.addVAEBlock(cfg, last)
		last = "/" + b.prefix + "ffn.residual"
	}
	p.op("final", Product, cfg.Dim, OpsOnly, last).uses(hf.EncoderFinal)
	last = "/vae.encoder.final"
	if cfg.EncoderLastLN || !cfg.UseVariation {
		p.op("norm", Normalisation, cfg.LatentDim, OpsOnly, "final").normalises(cfg.LayerNormEps, 0)
		last = "/vae.encoder.norm"
	}
	p.prefix = "vae."
	p.op("latents", Elementwise, 0, Always, last).branch().adds(func(in []float64) float64 {
		return (in[0] + abs(cfg.ShiftingFactor)) * abs(cfg.ScalingFactor)
	})
}

func abs(v float64) float64 { return max(v, -v) }

// addDecoder lists the VAE's decoder; in the prefill only its caches matter.
func (c *Catalog) addDecoder(cfg hf.VAEConfig) {
	stages := []generate.Stage{generate.Prefill, generate.Decode}
	p := part{c, Decoder, -1, "vae.decoder.", stages}
	p.op("in_layer", Product, cfg.LatentDim, OpsOnly, Latents).uses(hf.DecoderIn)
	last := "/vae.decoder.in_layer"
	for i := range cfg.DecoderNumBlocks {
		b := part{c, Decoder, i, hf.DecoderBlock(i), stages}
		b.addVAEBlock(cfg, last)
		last = "/" + b.prefix + "ffn.residual"
	}
	p.stages = []generate.Stage{generate.Decode}
	p.op("unpatch", Product, cfg.Dim, OpsOnly, last).uses(hf.DecoderUnpatch)
	p.op("norm", Normalisation, cfg.Dim, OpsOnly, "unpatch").uses(hf.DecoderNorm).normalises(cfg.LayerNormEps, 0).laid(TokenRows)
	p.op("logits", Product, cfg.Dim, OpsOnly, "norm").uses(hf.DecoderFinal).branch().laid(TokenRows)
	p.addKeptLogits(cfg)
}

// Paths of the logits and of what bundles of every level keep of them.
const (
	Logits    = "vae.decoder.logits" // [rows, vocabulary]
	TopValues = "logits.top_values"  // [rows, k]: the largest, descending
	TopIDs    = "logits.top_ids"     // [rows, k]: their ids
	LogSumExp = "logits.logsumexp"   // [rows]
)

func (p part) addKeptLogits(cfg hf.VAEConfig) {
	norm := "/" + p.path("norm")
	p.prefix = ""
	for _, path := range []string{TopValues, TopIDs, LogSumExp} {
		kind := Product
		if path == LogSumExp {
			kind = Chain
		}
		p.op(path, kind, cfg.Dim, Always, norm).uses(hf.DecoderFinal).branch().laid(TokenRows).Derived = true
	}
}

// addVAEBlock lists one transformer block. With post_norm the trunk itself is
// normalised beside the attention, and the FFN's output after it.
func (b part) addVAEBlock(cfg hf.VAEConfig, last string) {
	m := hf.VAEBlockModules(b.prefix)
	source, attended, hidden, branch := "attn.norm", "in", "ffn.norm", "ffn.out"
	normed := "attn.residual"
	if cfg.PostNorm {
		source, attended, hidden, branch = "in", "attn.norm", "attn.residual", "ffn.norm"
		normed = "ffn.out"
	}
	b.op("in", Copy, 0, LayersOnly, last)
	b.op("attn.norm", Normalisation, cfg.Dim, OpsOnly, "in").uses(m.NormAttn).normalises(cfg.LayerNormEps, 0)
	b.addVAEAttention(cfg, m, source)
	b.op("attn.residual", Elementwise, 0, OpsOnly, attended, "attn.out").adds(sum)
	b.op("ffn.norm", Normalisation, cfg.Dim, OpsOnly, normed).uses(m.NormFFN).normalises(cfg.LayerNormEps, 0)
	b.op("ffn.hidden", Product, cfg.Dim, OpsOnly, hidden).uses(m.FFNProj)
	act := b.op("ffn.act", Activation, 0, OpsOnly, "ffn.hidden")
	act.Pairs = cfg.Act == hf.ActSwiGLU
	if cfg.Act == hf.ActGELU {
		act.adds(sum)
	}
	b.op("ffn.out", Product, cfg.FFNHidden(), Layers, "ffn.act").uses(m.FFNOut).branch()
	b.op("ffn.residual", Elementwise, 0, OpsOnly, "attn.residual", branch).adds(sum)
}

func (b part) addVAEAttention(cfg hf.VAEConfig, m hf.VAEModules, source string) {
	cached := Never
	if b.section == Decoder {
		cached = Always
	}
	b.op("attn.qkv", Product, cfg.Dim, OpsOnly, source).uses(m.QKV).Clips = cfg.ClipQKV != nil
	b.op("attn.k_raw", Copy, 0, cached, "attn.qkv").from(cfg.Dim)
	b.op("attn.v", Copy, 0, cached, "attn.qkv").from(cfg.Dim + cfg.KVDim())
	kind, level := Normalisation, OpsOnly
	if !cfg.QKNorm {
		kind, level = Copy, Never
	}
	b.op("attn.q", kind, cfg.Dim, level, "attn.qkv").uses(m.QNorm).normalises(cfg.LayerNormEps, 0)
	b.op("attn.k", kind, cfg.KVDim(), level, "attn.k_raw", Cache).uses(m.KNorm).normalises(cfg.LayerNormEps, 0).laid(KeyRows)
	b.op("attn.q_rot", Rotation, 0, OpsOnly, "attn.q").adds(sum)
	b.op("attn.k_rot", Rotation, 0, OpsOnly, "attn.k", Cache).adds(sum).laid(KeyRows)
	b.op("attn.scores", Product, cfg.HeadDim(), OpsOnly, "attn.q_rot", "attn.k_rot").laid(ScoreRows)
	b.op("attn.attn", Attention, 0, OpsOnly, "attn.scores", "attn.v", Cache)
	b.op("attn.out", Product, cfg.Dim, Layers, "attn.attn").uses(m.AttnOut).branch()
}

// addLoop lists the values of the generation loop around the model.
func (c *Catalog) addLoop(guidance float64) {
	p := part{c, Loop, -1, "", []generate.Stage{generate.Denoise}}
	p.op("z", Copy, 0, Always, Given)
	p.op("t", Copy, 0, Always, Given)
	p.op("t_used", Copy, 0, Always, "t")
	p.op("velocity", Elementwise, 0, Always, "cond/dit.velocity", "uncond/dit.velocity").adds(func(in []float64) float64 {
		return abs(guidance)*(in[0]+in[1]) + in[1]
	})
	p.op("z_next", Elementwise, 0, Always, "z", "velocity").adds(sum)
}
