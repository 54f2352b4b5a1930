package catalog

import (
	"colakit/formats/hf"
	"colakit/reference/generate"
)

// Velocity is the path of a branch's velocity, [rows, channels].
const Velocity = "dit.velocity"

const (
	sinusoidPath  = "dit.emb.sinusoid"
	embeddingPath = "dit.emb"
)

// IsEmbedding reports whether a path is on the way from the timestep to the
// modulations: a model that holds these as a table computes none of it.
func IsEmbedding(path string) bool { return path == sinusoidPath || path == embeddingPath }

var ditStages = []generate.Stage{generate.Prefill, generate.Denoise, generate.Commit}

// addDiT lists the prior: R rows, width d.
func (c *Catalog) addDiT(cfg hf.DiTConfig) {
	d := cfg.TxtDim
	p := part{c, DiT, -1, "dit.", ditStages}
	p.op("txt_in", Product, cfg.TxtInChannels, OpsOnly, Latents).uses(hf.DiTTxtIn)
	p.op("emb.sinusoid", Sinusoid, 0, OpsOnly, Timesteps)
	p.op("emb", Chain, hf.SinusoidDim+2*d, OpsOnly, "emb.sinusoid").uses(hf.DiTEmbProjIn, hf.DiTEmbProjHid, hf.DiTEmbProjOut)
	last := "/dit.txt_in"
	for i := range cfg.NumLayers {
		b := part{c, DiT, i, hf.DiTBlock(i), ditStages}
		b.addDiTBlock(cfg, hf.DiTBlockModules(i), last)
		last = "/" + b.prefix + "mlp.residual"
	}
	p.stages = []generate.Stage{generate.Denoise} // a pass for the caches has no output
	p.op("txt_out_norm", Normalisation, d, OpsOnly, last).uses(hf.DiTTxtOutNorm).normalises(cfg.NormEps, 0)
	p.op("txt_out_ada.out_in.shift", Product, d, OpsOnly, "emb").uses(hf.DiTTxtOutAda)
	p.op("txt_out_ada.out_in.scale", Product, d, OpsOnly, "emb").uses(hf.DiTTxtOutAda)
	p.op("txt_out.in", Elementwise, 0, OpsOnly, "txt_out_norm", "txt_out_ada.out_in.shift", "txt_out_ada.out_in.scale").adds(modulated)
	p.op("velocity", Product, d, Always, "txt_out.in").uses(hf.DiTTxtOut).branch()
}

func (b part) addDiTBlock(cfg hf.DiTConfig, m hf.DiTModules, last string) {
	b.op("in", Copy, 0, LayersOnly, last)
	b.addModulated("msa", cfg, "in", m.AdaMSAIn)
	b.addDiTAttention(cfg, m)
	b.addGated("msa", cfg.TxtDim, "in", m.AdaMSAOut)
	b.addModulated("mlp", cfg, "msa.residual", m.AdaMLPIn)
	b.op("mlp.hidden", Product, cfg.TxtDim, OpsOnly, "mlp.in").uses(m.MLPIn)
	b.op("mlp.act", Activation, 0, OpsOnly, "mlp.hidden").adds(sum)
	b.op("mlp.out", Product, cfg.HiddenDim(), Layers, "mlp.act").uses(m.MLPOut).branch()
	b.addGated("mlp", cfg.TxtDim, "msa.residual", m.AdaMLPOut)
}

// addModulated lists LayerNorm(x)·(1+scale) + shift before a branch.
func (b part) addModulated(name string, cfg hf.DiTConfig, x string, ada hf.Module) {
	in, d := "ada."+name+"_in", cfg.TxtDim
	b.op(in+".shift", Product, d, OpsOnly, "/"+embeddingPath).uses(ada)
	b.op(in+".scale", Product, d, OpsOnly, "/"+embeddingPath).uses(ada)
	b.op(name+".norm", Normalisation, d, OpsOnly, x).normalises(cfg.NormEps, 0)
	b.op(name+".in", Elementwise, 0, OpsOnly, name+".norm", in+".shift", in+".scale").adds(modulated)
}

// addGated lists residual + branch·gate.
func (b part) addGated(name string, d int, residual string, ada hf.Module) {
	gate := "ada." + name + "_out.gate"
	b.op(gate, Product, d, OpsOnly, "/"+embeddingPath).uses(ada)
	b.op(name+".residual", Elementwise, 0, OpsOnly, residual, name+".out", gate).adds(gated)
}

func (b part) addDiTAttention(cfg hf.DiTConfig, m hf.DiTModules) {
	caching := []generate.Stage{generate.Prefill, generate.Commit}
	b.op("msa.qkv", Product, cfg.TxtDim, OpsOnly, "msa.in").uses(m.QKV)
	b.op("msa.q", Normalisation, cfg.HeadDim, OpsOnly, "msa.qkv").uses(m.NormQ).normalises(cfg.NormEps, 0)
	b.op("msa.k", Normalisation, cfg.HeadDim, OpsOnly, "msa.qkv").uses(m.NormK).normalises(cfg.NormEps, cfg.InnerDim()).at(Always, caching...)
	b.op("msa.v", Copy, 0, Never, "msa.qkv").at(Always, caching...).from(2 * cfg.InnerDim())
	b.op("msa.q_rot", Rotation, 0, OpsOnly, "msa.q").uses(hf.Module(m.RopeFreqs)).adds(sum)
	b.op("msa.k_rot", Rotation, 0, OpsOnly, "msa.k", Cache).uses(hf.Module(m.RopeFreqs)).adds(sum).laid(KeyRows)
	b.op("msa.scores", Product, cfg.HeadDim, OpsOnly, "msa.q_rot", "msa.k_rot").laid(ScoreRows)
	b.op("msa.attn", Attention, 0, OpsOnly, "msa.scores", "msa.v", Cache)
	b.op("msa.out", Product, cfg.InnerDim(), Layers, "msa.attn").uses(m.Out).branch()
}
