package selftest

import (
	"colakit/formats/dtype"
	"colakit/reference/generate"
)

// operationFaults compute one operation otherwise: the traps of the model.
var operationFaults = []Case{
	// Rotary embedding: two layouts in one model.
	way("dit-rope-half-split", exactOps, "other pairs", "half-split", at("dit.blocks.1.msa.q_rot", "dit.blocks.1.msa.k_rot"),
		Want{Op: "dit.blocks.1.msa.q_rot"}),
	way("vae-rope-interleaved", exactOps, "other pairs", "interleaved", at("vae.encoder.blocks.1.attn.q_rot", "vae.encoder.blocks.1.attn.k_rot"),
		Want{Op: "vae.encoder.blocks.1.attn.q_rot"}),
	way("dit-rope-all-channels", exactOps, "all channels rotated", "", at("dit.blocks.0.msa.q_rot", "dit.blocks.0.msa.k_rot"),
		Want{Op: "dit.blocks.0.msa.q_rot"}),
	way("rope-backwards", releasedOps, "rotated backwards", "", at("dit.blocks.2.msa.k_rot"),
		Want{Op: "dit.blocks.2.msa.k_rot"}),
	way("keys-rotated-twice", exactOps, "rotated twice", "", at("dit.blocks.3.msa.k_rot"),
		Want{Op: "dit.blocks.3.msa.k_rot"}),
	way("positions-off-by-one", exactOps, "position offset", "off by 1", branch(generate.Cond, ending("msa.q_rot")),
		Want{Op: "dit.blocks.0.msa.q_rot", At: "b00/s00/cond/", Says: []string{"only in the conditional branch"}}),
	way("uncond-behind-the-cache", exactOps, "unconditional rows behind the cache", "", branch(generate.Uncond, ending("msa.q_rot")),
		Want{Op: "dit.blocks.0.msa.q_rot", At: "b00/s00/uncond/", Says: []string{"only in the unconditional branch: its positions start at 0"}}),
	way("queries-from-position-0", exactOps, "queries from position 0", "", branch(generate.Cond, ending("msa.q_rot")),
		Want{Op: "dit.blocks.0.msa.q_rot", At: "b00/s00/cond/", Says: []string{"only in the conditional branch"}}),
	way("positions-across-samples", exactOps, "positions go on over samples", "", ending("attn.k_rot"),
		Want{Op: "vae.encoder.blocks.0.attn.k_rot", Says: []string{"uniform over all 2 layers"}}),

	// The timestep's sinusoid.
	way("sinusoid-half-minus-one", exactOps, "half − 1", "", at("dit.emb.sinusoid"), Want{Op: "dit.emb.sinusoid"}),
	way("sinusoid-cosines-first", exactOps, "cosines first", "", at("dit.emb.sinusoid"), Want{Op: "dit.emb.sinusoid"}),
	way("next-timestep", exactOps, "the next timestep", "", at("dit.emb.sinusoid"), Want{Op: "dit.emb.sinusoid", At: "b00/s00/"}),
	way("timestep-over-T", exactLayers, "timestep over T", "", at("dit.emb.sinusoid"),
		Want{Op: "dit.blocks.0.msa.out", At: "b00/s00/", Says: []string{"uniform over all 4 layers"}}),
	way("embedding-without-silu", exactOps, "activation of the embedding", "none", at("dit.emb"), Want{Op: "dit.emb"}),

	// AdaLN and residuals.
	way("scale-without-one", exactOps, "scale for 1 + scale", "", at("dit.blocks.2.msa.in"),
		Want{Op: "dit.blocks.2.msa.in", Says: []string{"this layer alone of 4"}}),
	way("gate-with-one", exactOps, "1 + gate for the gate", "", ending("mlp.residual"),
		Want{Op: "dit.blocks.0.mlp.residual", Says: []string{"uniform over all 4 layers"}}),
	way("residual-left-out", releasedOps, "no residual", "", at("dit.blocks.1.msa.residual"), Want{Op: "dit.blocks.1.msa.residual"}),
	way("attention-output-normalised", exactOps, "another input", "attn.out in place of", at("vae.encoder.blocks.0.attn.norm"),
		Want{Op: "vae.encoder.blocks.0.attn.norm"}),
	way("rms-norm", exactOps, "mean not subtracted", "", ending("mlp.norm"),
		Want{Op: "dit.blocks.0.mlp.norm", Says: []string{"uniform over all 4 layers"}}),
	way("norm-over-all-heads", exactOps, "norm of another width", "", at("dit.blocks.1.msa.q"), Want{Op: "dit.blocks.1.msa.q"}),
	way("unbiased-variance", exactOps, "variance of a sample", "", at("vae.decoder.norm"), Want{Op: "vae.decoder.norm"}),

	// Activations.
	way("swiglu-gates-first-half", exactOps, "halves of SwiGLU exchanged", "", ending("ffn.act"),
		Want{Op: "vae.encoder.blocks.0.ffn.act", Says: []string{"uniform over all 2 layers"}}),
	way("gelu-erf-for-tanh", exactOps, "another activation", "is gelu", ending("mlp.act"),
		Want{Op: "dit.blocks.0.mlp.act", Says: []string{"uniform over all 4 layers"}}),

	// Attention and who sees whom.
	way("scores-not-scaled", exactOps, "scores not scaled", "", ending("msa.scores"),
		Want{Op: "dit.blocks.0.msa.scores", Says: []string{"uniform over all 4 layers"}}),
	way("mask-causal", exactOps, "another mask", "causal row by row", ending("msa.attn"),
		Want{Op: "dit.blocks.0.msa.attn", Says: []string{"uniform over all 4 layers"}}),
	way("mask-missing", exactOps, "another mask", "there is no mask", in(generate.Encode, ending("attn.scores")),
		Want{Op: "vae.encoder.blocks.0.attn.scores", At: "encode/"}),
	way("mask-a-block-more", exactOps, "another mask", "a block more is seen", in(generate.Encode, ending("attn.attn")),
		Want{Op: "vae.encoder.blocks.0.attn.attn", At: "encode/"}),
	way("heads-alternate", exactOps, "heads alternate", "", at("dit.blocks.2.msa.attn"), Want{Op: "dit.blocks.2.msa.attn"}),

	// Caches.
	way("cache-off-by-one", exactOps, "cache offset", "off by 1", branch(generate.Cond, ending("msa.attn")),
		Want{Op: "dit.blocks.0.msa.attn", At: "b00/s00/cond/", Says: []string{"only in the conditional branch: the cache"}}),
	way("cache-of-another-sample", exactOps, "cache of another sample", "", branch(generate.Cond, ending("msa.k_rot")),
		Want{Op: "dit.blocks.0.msa.k_rot", At: "b00/s00/cond/", Says: []string{"only in the conditional branch: the cache"}}),
	way("cache-without-new-blocks", exactOps, "the prefix for later blocks", "", branch(generate.Cond, ending("msa.k_rot")),
		Want{Op: "dit.blocks.0.msa.k_rot", At: "b01/s00/cond/", Says: []string{"only from block 1 on: the cache"}}),
	way("decoder-keys-cached-normalised", exactOps, "cached keys not normalised", "", ending("attn.k"),
		Want{Op: "vae.decoder.blocks.0.attn.k", At: "b00/decode/"}),
	way("dit-keys-cached-unnormalised", exactOps, "not normalised", "", in(generate.Commit, ending("msa.k")),
		Want{Op: "dit.blocks.0.msa.k", At: "b00/commit/"}),

	// The contract's roundings.
	way("result-cut", releasedOps, "result cut", "", at("dit.blocks.1.mlp.hidden"),
		Want{Op: "dit.blocks.1.mlp.hidden", Says: []string{"this layer alone of 4"}}),
	{
		Name: "missing-rounding", Imitates: "a result left in float32", Bundle: releasedOps,
		Inject: spoils(Values{At: at("dit.blocks.1.mlp.act"), Spoil: retyped(dtype.F32)}),
		Want:   Want{Phase: "shapes and types", Op: "dit.blocks.1.mlp.act", Says: []string{"a rounding is missing"}},
	},
	way("scale-after-the-product", releasedOps, "scale after the product", "", ending("msa.scores"),
		Want{Op: "dit.blocks.0.msa.scores", Says: []string{"uniform over all 4 layers"}}),
	way("softmax-weights-not-rounded", releasedOps, "weights of the softmax not rounded", "", ending("msa.attn"),
		Want{Op: "dit.blocks.0.msa.attn"}),
	exactly(way("timestep-not-rounded-within", releasedLayers, "timestep not rounded", "", at("dit.emb.sinusoid"),
		Want{Phase: "ratio", Op: "dit.blocks.0.msa.out", Says: []string{"over 96 passes", "in step 1, 3, 4, 5, 6, …, not in 0, "}})),
	way("operands-in-bf16", exactOps, "operands in bfloat16", "", ending("mlp.out"),
		Want{Op: "dit.blocks.0.mlp.out", Says: []string{"uniform over all 4 layers"}}),
	way("tf32", exactOps, "TF32", "", at("vae.decoder.logits"), Want{Op: "vae.decoder.logits"}),
	way("one-plus-scale-not-rounded", releasedOps, "nothing rounded in between", "", ending("mlp.in"),
		Want{Op: "dit.blocks.0.mlp.in"}),

	// The encoder's end.
	way("log-variance-for-mean", exactOps, "the log-variance", "", at("vae.encoder.norm"), Want{Op: "vae.encoder.norm"}),
	way("token-ids-shifted", exactOps, "token ids shifted", "off by 1", at("vae.encoder.wte"), Want{Op: "vae.encoder.wte"}),
}

// exactly has a case hold errors against exact values.
func exactly(c Case) Case {
	c.Exact = true
	return c
}

// way is a fault that computes operations in the way of an alternative.
func way(name, bundle, alternative, says string, sites func(generate.Site) bool, want Want) Case {
	imitates := alternative
	want.Hypothesis = alternative
	if says != "" {
		imitates += ": " + says
	}
	return Case{Name: name, Imitates: imitates, Bundle: bundle, Inject: otherwise(alternative, says, sites), Want: want}
}
