package operation

import (
	"colakit/formats/tensor"
	"colakit/reference/generate"
	"colakit/verify/catalog"
)

// span is one sample's part of a pass: its queries are the last of its keys, and
// both stand behind those of the samples before it.
type span struct {
	sample, first, queries int
	firstKey, cached       int
	prefix                 int // of the cached rows, those of the prompt
}

func (s span) keys() int { return s.cached + s.queries }

// geometry says who is in a pass, and who sees whom.
type geometry struct {
	spans      []span
	rows, keys int
	block      int // latents of a block of the mask; 0: no mask
}

// geometry lays out the pass of a site for an operation of the given section.
func (r *Run) geometry(site generate.Site, section catalog.Section) geometry {
	g := geometry{block: r.Config.DiT.BlockSize}
	if section == catalog.Encoder || section == catalog.Decoder {
		g.block = r.Config.VAE.BlockSize
		if !r.Config.VAE.BlockCausal {
			g.block = 0
		}
	}
	for i, s := range r.Samples {
		cached, queries := s.Prefix+site.Block*r.Config.DiT.BlockSize, r.Config.DiT.BlockSize
		switch {
		case site.Stage == generate.Encode:
			cached, queries = 0, len(s.IDs)/max(r.Config.VAE.PatchSize, 1)
		case site.Stage == generate.Prefill:
			cached, queries = 0, s.Prefix
		case site.Branch == generate.Uncond:
			cached = 0
		}
		g.spans = append(g.spans, span{i, g.rows, queries, g.keys, cached, min(cached, s.Prefix)})
		g.rows += queries
		g.keys += cached + queries
	}
	return g
}

// positions returns the position of every query, or of every key, in its sample.
func (g geometry) positions(keys bool) []int {
	var p []int
	for _, s := range g.spans {
		from := s.cached
		if keys {
			from = 0
		}
		for i := from; i < s.keys(); i++ {
			p = append(p, i)
		}
	}
	return p
}

// Size returns the rows and columns that a value of the call's pass has as a matrix.
func (c *Call) Size(path string) (rows, cols int) { return c.size(path) }

// size returns the rows and columns that a value has as a matrix.
func (c *Call) size(path string) (rows, cols int) {
	op := c.Run.Catalog().Op(path)
	if op == nil { // the branches' velocities
		return c.Run.geometry(c.Site, catalog.Loop).rows, c.Run.Config.VAE.LatentDim
	}
	g, cfg := c.Run.geometry(c.Site, op.Section), c.Run.Config
	if op.Section == catalog.DiT {
		return ditSize(op.Name, g, c)
	}
	if op.Section == catalog.Loop {
		if op.Path == "t" || op.Path == "t_used" {
			return g.rows, 1
		}
		return g.rows, cfg.VAE.LatentDim
	}
	return vaeSize(op, g, c)
}

func ditSize(name string, g geometry, c *Call) (rows, cols int) {
	cfg := c.Run.Config.DiT
	switch name {
	case "dit.emb.sinusoid", "emb.sinusoid":
		return g.rows, 256
	case "msa.qkv":
		return g.rows, 3 * cfg.InnerDim()
	case "msa.q", "msa.k", "msa.v", "msa.q_rot", "msa.attn":
		return g.rows, cfg.InnerDim()
	case "msa.k_rot":
		return g.keys, cfg.InnerDim()
	case "msa.scores":
		return cfg.Heads * g.rows, g.keys
	case "mlp.hidden", "mlp.act":
		return g.rows, cfg.HiddenDim()
	case "velocity":
		return g.rows, cfg.TxtOutChannels
	}
	return g.rows, cfg.TxtDim
}

func vaeSize(op *catalog.Op, g geometry, c *Call) (rows, cols int) {
	cfg := c.Run.Config.VAE
	tokens := g.rows * cfg.PatchSize
	switch op.Path {
	case "vae.encoder.wte", "vae.decoder.norm":
		return tokens, cfg.Dim
	case "vae.encoder.final":
		return g.rows, cfg.EncoderOut()
	case "vae.encoder.norm", "vae.latents":
		return g.rows, cfg.LatentDim
	case "vae.decoder.unpatch":
		return g.rows, cfg.PatchSize * cfg.Dim
	case catalog.Logits:
		return tokens, cfg.VocabSize
	case catalog.TopValues, catalog.TopIDs:
		return tokens, min(topLogits, cfg.VocabSize)
	case catalog.LogSumExp:
		return tokens, 1
	}
	switch op.Name {
	case "attn.qkv":
		return g.rows, cfg.Dim + 2*cfg.KVDim()
	case "attn.k_raw", "attn.v":
		return g.rows, cfg.KVDim()
	case "attn.k", "attn.k_rot":
		return g.keys, cfg.KVDim()
	case "attn.scores":
		return cfg.NumHeads * g.rows, g.keys
	case "ffn.hidden":
		return g.rows, cfg.FFNDim
	case "ffn.act":
		return g.rows, cfg.FFNHidden()
	}
	return g.rows, cfg.Dim
}

// topLogits is the number of largest logits that bundles of every level keep.
const topLogits = 64

// shape returns the shape that taps of a path have.
func (c *Call) shape(path string) tensor.Shape {
	rows, cols := c.size(path)
	op, cfg := c.Run.Catalog().Op(path), c.Run.Config
	heads, section := cfg.DiT.Heads, catalog.DiT
	name := ""
	if op != nil {
		name, section = op.Name, op.Section
	}
	switch {
	case path == "t" || path == "t_used" || path == catalog.LogSumExp:
		return tensor.Shape{rows}
	case name == "msa.scores" || name == "attn.scores":
		if section != catalog.DiT {
			heads = cfg.VAE.NumHeads
		}
		return tensor.Shape{heads, rows / heads, cols}
	case name == "msa.q" || name == "msa.k" || name == "msa.v" || name == "msa.q_rot" || name == "msa.k_rot":
		return tensor.Shape{rows, heads, cfg.DiT.HeadDim}
	case name == "attn.q_rot":
		return tensor.Shape{rows, cfg.VAE.NumHeads, cfg.VAE.HeadDim()}
	case name == "attn.k_rot":
		return tensor.Shape{rows, cfg.VAE.KVHeads(), cfg.VAE.HeadDim()}
	}
	return tensor.Shape{rows, cols}
}
