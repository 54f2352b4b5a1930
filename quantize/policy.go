package quantize

import "colakit/formats/hf"

// Policy decides how a tensor is stored, and says why.
type Policy interface {
	Choose(hf.Expected) (scheme Scheme, reason string)
}

// PolicyFor returns the policy under which a model is converted to s.
func PolicyFor(s Scheme) Policy {
	if s.Quantized() {
		return Trunk{Trunk: s, Rest: F16}
	}
	return Uniform{s}
}

// Uniform stores all matrices by one scheme. Vectors (biases, the weights of
// norms, rotary frequencies) keep 32 bits under any: together they are less than
// 0.1 % of a model's bytes, and what they shift or scale is a whole channel.
type Uniform struct{ Matrices Scheme }

// Choose implements Policy.
func (u Uniform) Choose(t hf.Expected) (Scheme, string) {
	if reason := keeps32(t); reason != "" {
		return F32, reason
	}
	return u.Matrices, "every matrix is " + u.Matrices.String() + ", as asked"
}

// Trunk stores the matrices of the trunk by one scheme and those around it by
// another: the trunk is the attention and MLP projections of all blocks of both
// models, most of the bytes that a pass reads, whose errors the residual stream
// and the norms keep small. The others are few bytes for a pass, or all that comes
// later depends on them.
type Trunk struct{ Trunk, Rest Scheme }

// Choose implements Policy.
func (p Trunk) Choose(t hf.Expected) (Scheme, string) {
	if reason := keeps32(t); reason != "" {
		return F32, reason
	}
	switch t.Class {
	case hf.DiTProjection, hf.VAEProjection:
		if p.Trunk.Fits(t.Shape) == nil {
			return p.Trunk, "attention and MLP of the blocks are " + p.Trunk.String() + ", as asked"
		}
	}
	return p.Rest, p.Rest.String() + ": " + reasonToKeep(t.Class)
}

// keeps32 returns why a tensor keeps 32 bits, or "".
func keeps32(t hf.Expected) string {
	switch {
	case t.Class == hf.Buffer:
		return "a buffer keeps 32 bits: it follows from the configuration exactly"
	case t.Class == hf.Norm:
		return "the weights of norms keep 32 bits: they are few and scale whole channels"
	case t.Class == hf.Bias || len(t.Shape) < 2:
		return "biases keep 32 bits: they are few and shift whole channels"
	}
	return ""
}

// reasonToKeep says why a matrix is not part of the trunk.
func reasonToKeep(c hf.Class) string {
	switch c {
	case hf.Embedding:
		return "a pass reads few rows of the embedding; a rule can choose int8"
	case hf.Head:
		return "the head decides between close logits; a rule can choose int8"
	case hf.AdaLN:
		return "modulations scale and shift every channel of the stream"
	case hf.TimestepEmbedding:
		return "all modulations follow from the timestep's embedding"
	case hf.LatentProjection:
		return "errors next to the latents are errors of the latents, step after step"
	case hf.PatchConvolution:
		return "the patch convolutions stand between tokens and latents and are small"
	}
	return "it is not part of a block's attention or MLP"
}
