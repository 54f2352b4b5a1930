package hf

import (
	"strings"

	"colakit/formats/tensor"
)

// Expected is a tensor that a checkpoint of some configuration holds.
type Expected struct {
	Name     string // native name
	Source   string // name in the checkpoint of Model
	Model    Model
	Shape    tensor.Shape
	Class    Class
	Optional bool // may be absent: it follows from the configuration
}

// Inventory lists the tensors of both models, the prior's first, each in the
// order in which the values flow.
func (c Config) Inventory() []Expected {
	return append(c.DiT.Inventory(), c.VAE.Inventory()...)
}

// Inventory lists the prior's tensors.
func (c DiTConfig) Inventory() []Expected {
	d, in, out := c.TxtDim, c.TxtInChannels*c.PatchSize, c.TxtOutChannels*c.PatchSize
	l := &listing{model: DiT}
	l.linear(DiTTxtIn, LatentProjection, d, in, true)
	l.linear(DiTEmbProjIn, TimestepEmbedding, d, SinusoidDim, true)
	l.linear(DiTEmbProjHid, TimestepEmbedding, d, d, true)
	l.linear(DiTEmbProjOut, TimestepEmbedding, c.EmbDim, d, true)
	for i := range c.NumLayers {
		c.listBlock(l, DiTBlockModules(i))
	}
	l.norm(DiTTxtOutNorm, d)
	l.linear(DiTTxtOutAda, AdaLN, 2*d, d, true)
	l.linear(DiTTxtOut, LatentProjection, out, d, true)
	return l.tensors
}

func (c DiTConfig) listBlock(l *listing, m DiTModules) {
	d, a := c.TxtDim, c.Heads*c.HeadDim
	l.linear(m.AdaMSAIn, AdaLN, 2*d, d, true)
	l.linear(m.QKV, DiTProjection, 3*a, d, c.QKBias)
	l.norm(m.NormQ, c.HeadDim)
	l.norm(m.NormK, c.HeadDim)
	l.add(m.RopeFreqs, Buffer, true, c.RopeDim/2)
	l.linear(m.Out, DiTProjection, d, a, c.QKBias)
	l.linear(m.AdaMSAOut, AdaLN, d, d, true)
	l.linear(m.AdaMLPIn, AdaLN, 2*d, d, true)
	l.linear(m.MLPIn, DiTProjection, d*c.ExpandRatio, d, true)
	l.linear(m.MLPOut, DiTProjection, d, d*c.ExpandRatio, true)
	l.linear(m.AdaMLPOut, AdaLN, d, d, true)
}

// Inventory lists the VAE's tensors, the encoder's first.
func (c VAEConfig) Inventory() []Expected {
	d, p := c.Dim, c.PatchSize
	l := &listing{model: VAE}
	l.add(EncoderWTE.Weight(), Embedding, false, c.VocabSize+1, d)
	l.add(EncoderPatch.Weight(), PatchConvolution, false, d, d, p)
	l.add(EncoderPatch.Bias(), Bias, false, d)
	for i := range c.EncoderNumBlocks {
		c.listBlock(l, VAEBlockModules(EncoderBlock(i)))
	}
	l.linear(EncoderFinal, LatentProjection, c.EncoderOut(), d, c.Bias)
	l.linear(DecoderIn, LatentProjection, d, c.LatentDim, c.Bias)
	for i := range c.DecoderNumBlocks {
		c.listBlock(l, VAEBlockModules(DecoderBlock(i)))
	}
	l.linear(DecoderUnpatch, PatchConvolution, p*d, d, true)
	l.norm(DecoderNorm, d)
	l.linear(DecoderFinal, Head, c.VocabSize, d, c.Bias)
	return l.tensors
}

func (c VAEConfig) listBlock(l *listing, m VAEModules) {
	d, k := c.Dim, c.KVDim()
	if c.LayerNormAffine {
		l.norm(m.NormAttn, d)
	}
	l.linear(m.QKV, VAEProjection, d+2*k, d, c.QKBias)
	if c.QKNorm && c.QKNormAffine {
		l.norm(m.QNorm, d)
		l.norm(m.KNorm, k)
	}
	l.linear(m.AttnOut, VAEProjection, d, d, c.Bias)
	l.norm(m.NormFFN, d)
	l.linear(m.FFNProj, VAEProjection, c.FFNDim, d, c.Bias)
	l.linear(m.FFNOut, VAEProjection, d, c.FFNHidden(), c.Bias)
}

// listing collects the tensors of one model.
type listing struct {
	model   Model
	tensors []Expected
}

func (l *listing) add(name string, class Class, optional bool, shape ...int) {
	l.tensors = append(l.tensors, Expected{
		Name: name, Source: strings.TrimPrefix(name, l.model.Prefix()), Model: l.model,
		Shape: shape, Class: class, Optional: optional,
	})
}

func (l *listing) linear(m Module, class Class, out, in int, bias bool) {
	l.add(m.Weight(), class, false, out, in)
	if bias {
		l.add(m.Bias(), Bias, false, out)
	}
}

func (l *listing) norm(m Module, width int) {
	l.add(m.Weight(), Norm, false, width)
	l.add(m.Bias(), Bias, false, width)
}
