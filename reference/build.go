package reference

import (
	"slices"

	"colakit/formats/hf"
)

// newDiT builds the prior and reads its weights.
func newDiT[T number](l *loader[T], c hf.DiTConfig) *DiT[T] {
	d := c.TxtDim
	m := &DiT[T]{
		TxtIn:      l.linear(hf.DiTTxtIn, d, c.TxtInChannels, true),
		TxtOutNorm: l.norm(hf.DiTTxtOutNorm, d, c.NormEps, true),
		TxtOut:     l.linear(hf.DiTTxtOut, c.TxtOutChannels, d, true),
	}
	ropes := sharedRopes[T]{}
	for i := range c.NumLayers {
		m.Blocks = append(m.Blocks, newDiTBlock(l, c, i, &ropes))
	}
	if l.schedule != nil {
		m.cond = newTabled(l, c)
		return m
	}
	m.EmbIn, m.TxtOutAda = newTimestepEmbedding(l, c), l.linear(hf.DiTTxtOutAda, 2*d, d, true)
	for i, b := range m.Blocks {
		b.Ada = newAdaLN(l, c, i)
	}
	m.cond = newConditioner(m.EmbIn, m.Blocks, m.TxtOutAda)
	return m
}

func newTimestepEmbedding[T number](l *loader[T], c hf.DiTConfig) *TimestepEmbedding[T] {
	d := c.TxtDim
	return &TimestepEmbedding[T]{
		ProjIn:  l.linear(hf.DiTEmbProjIn, d, hf.SinusoidDim, true),
		ProjHid: l.linear(hf.DiTEmbProjHid, d, d, true),
		ProjOut: l.linear(hf.DiTEmbProjOut, c.EmbDim, d, true),
	}
}

func newAdaLN[T number](l *loader[T], c hf.DiTConfig, i int) *AdaLN[T] {
	d, n := c.TxtDim, hf.DiTBlockModules(i)
	return &AdaLN[T]{
		MSAIn: l.linear(n.AdaMSAIn, 2*d, d, true), MSAOut: l.linear(n.AdaMSAOut, d, d, true),
		MLPIn: l.linear(n.AdaMLPIn, 2*d, d, true), MLPOut: l.linear(n.AdaMLPOut, d, d, true),
	}
}

func newDiTBlock[T number](l *loader[T], c hf.DiTConfig, i int, ropes *sharedRopes[T]) *DiTBlock[T] {
	d, a, f, path, n := c.TxtDim, c.InnerDim(), c.HiddenDim(), hf.DiTBlock(i), hf.DiTBlockModules(i)
	return &DiTBlock[T]{
		MSA: &DiTAttention[T]{
			ProjQKV: l.linear(n.QKV, 3*a, d, c.QKBias),
			NormQ:   l.norm(n.NormQ, c.HeadDim, c.NormEps, true),
			NormK:   l.norm(n.NormK, c.HeadDim, c.NormEps, true),
			ProjOut: l.linear(n.Out, d, a, c.QKBias),
			rope:    &DiTRope[T]{ropes.of(l.frequencies(n.RopeFreqs, c.RopeFrequencies()))},
			heads:   heads{query: c.Heads, kv: c.Heads, width: c.HeadDim},
			path:    path + "msa.",
		},
		MLP: &DiTMLP[T]{
			ProjIn:  l.linear(n.MLPIn, f, d, true),
			ProjOut: l.linear(n.MLPOut, d, f, true),
			path:    path + "mlp.",
		},
		norm: &LayerNorm[T]{width: d, eps: c.NormEps},
		path: path,
	}
}

// sharedRopes gives blocks of the same frequencies the same tables.
type sharedRopes[T number] struct {
	freqs [][]float32
	made  []*rotary[T]
}

func (s *sharedRopes[T]) of(freqs []float32) *rotary[T] {
	for i, known := range s.freqs {
		if slices.Equal(known, freqs) {
			return s.made[i]
		}
	}
	s.freqs = append(s.freqs, freqs)
	s.made = append(s.made, newRotary[T](freqs))
	return s.made[len(s.made)-1]
}

// newVAE builds the VAE's two halves and reads their weights.
func newVAE[T number](l *loader[T], c hf.VAEConfig) (*Encoder[T], *Decoder[T]) {
	d := c.Dim
	rope := &VAERope[T]{newRotary[T](c.RopeInvFreq()), c.RopeFullPrecision}
	e := &Encoder[T]{
		wte:        l.embedding(hf.EncoderWTE, c.VocabSize+1, d),
		Patch:      l.product(hf.EncoderPatch, d, d*c.PatchSize, true, d, d, c.PatchSize),
		FinalLayer: l.linear(hf.EncoderFinal, c.EncoderOut(), d, c.Bias),
		patch:      c.PatchSize, latent: c.LatentDim,
		shift: c.ShiftingFactor, scale: c.ScalingFactor,
	}
	if c.EncoderLastLN || !c.UseVariation {
		e.FinalNorm = &LayerNorm[T]{width: c.LatentDim, eps: c.LayerNormEps}
	}
	for i := range c.EncoderNumBlocks {
		e.Blocks = append(e.Blocks, newVAEBlock(l, c, hf.EncoderBlock(i), rope, false))
	}
	m := &Decoder[T]{
		InLayer:    l.linear(hf.DecoderIn, d, c.LatentDim, c.Bias),
		Unpatch:    l.linear(hf.DecoderUnpatch, d*c.PatchSize, d, true),
		FinalNorm:  l.norm(hf.DecoderNorm, d, c.LayerNormEps, true),
		FinalLayer: l.linear(hf.DecoderFinal, c.VocabSize, d, c.Bias),
		patch:      c.PatchSize,
	}
	for i := range c.DecoderNumBlocks {
		m.Blocks = append(m.Blocks, newVAEBlock(l, c, hf.DecoderBlock(i), rope, true))
	}
	return e, m
}

func newVAEBlock[T number](l *loader[T], c hf.VAEConfig, path string, rope *VAERope[T], decoder bool) *VAEBlock[T] {
	d, k, eps, n := c.Dim, c.KVDim(), c.LayerNormEps, hf.VAEBlockModules(path)
	act, err := activationNamed[T](c.Act)
	if err != nil && l.err == nil {
		l.err = err
	}
	b := &VAEBlock[T]{
		NormAttn: l.norm(n.NormAttn, d, eps, c.LayerNormAffine),
		Attn: &VAEAttention[T]{
			QKVProj: l.linear(n.QKV, d+2*k, d, c.QKBias),
			OutProj: l.linear(n.AttnOut, d, d, c.Bias),
			clip:    c.ClipQKV, rope: rope, decoder: decoder,
			heads: heads{query: c.NumHeads, kv: c.KVHeads(), width: c.HeadDim()},
			path:  path + "attn.",
		},
		NormFFN: l.norm(n.NormFFN, d, eps, true),
		FFN: &VAEFFN[T]{
			Proj: l.linear(n.FFNProj, c.FFNDim, d, c.Bias),
			Out:  l.linear(n.FFNOut, d, c.FFNHidden(), c.Bias),
			act:  act, path: path + "ffn.",
		},
		postNorm: c.PostNorm,
		path:     path,
	}
	if c.QKNorm {
		b.Attn.QNorm = l.norm(n.QNorm, d, eps, c.QKNormAffine)
		b.Attn.KNorm = l.norm(n.KNorm, k, eps, c.QKNormAffine)
	}
	return b
}
