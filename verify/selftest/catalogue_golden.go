package selftest

import (
	"fmt"
	"strings"

	"colakit/convert"
	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/golden"
	"colakit/quantize"
	"colakit/verify"
)

// lostTap and inventedTap are on one side only.
const (
	lostTap     = "b01/s00/uncond/dit.blocks.2.mlp.act"
	inventedTap = "b01/s00/uncond/dit.blocks.2.mlp.gate"
	nanTap      = "b00/s01/cond/dit.blocks.3.mlp.out"
)

// otherOfATie puts the second of two ids, whose logits differ by 0.05 of 14, in the
// place of the first.
func otherOfATie(r *Recording) error {
	ids := r.Info.Samples[1].Blocks[1]
	if ids[2] != 476 {
		return fmt.Errorf("token %d where 476 was recorded", ids[2])
	}
	ids[2] = 481
	return nil
}

// goldenFaults are bundles that are not of the candidate's run.
var goldenFaults = []Case{
	{
		Name: "missing-tap", Imitates: "the bundle lacks a value that its level records", Bundle: exactOps,
		Inject: recorded(func(r *Recording) error {
			r.Keep(func(tap string) bool { return tap != lostTap })
			return nil
		}),
		Want: Want{Phase: "names", Op: "taps on one side only", Says: []string{lostTap}},
	},
	{
		Name: "extra-tap", Imitates: "the bundle holds a value that the model does not have", Bundle: exactOps,
		Inject: recorded(func(r *Recording) error { return r.Add(inventedTap, lostTap) }),
		Want:   Want{Phase: "names", Op: "taps on one side only", Says: []string{inventedTap}},
	},
	{
		Name: "golden-with-nan", Imitates: "the recording is not finite where the candidate is", Bundle: exactLayers,
		Inject: recorded(func(r *Recording) error {
			return r.Edit(nanTap, func(v *tensor.View) { copy(v.Data[4*130:], []byte{0, 0, 0xc0, 0x7f}) })
		}),
		Want: Want{Phase: "NaN and infinity", Op: "dit.blocks.3.mlp.out", At: nanTap},
	},
	{
		Name: "other-noise-seed", Imitates: "noise of another seed than that of the run", Bundle: exactLayers,
		Inject: recorded(func(r *Recording) error {
			return r.Edit(golden.NoiseName(1), func(v *tensor.View) {
				for i := range len(v.Data) / 8 {
					copy(v.Data[8*i:8*i+4], v.Data[8*i+4:8*i+8])
				}
			})
		}),
		Want: Want{Op: "z", At: "b01/s00/"},
	},
	{
		Name: "golden-with-other-tokens", Imitates: "ids that the recording's own logits do not say", Bundle: exactLayers,
		Inject: recorded(func(r *Recording) error {
			r.Info.Samples[0].Blocks[0][3]++
			return nil
		}),
		Want: Want{Phase: "tokens", Op: "generated tokens"},
	},
	{
		Name: "tie-that-is-none", Imitates: "the other token of two logits that differ by more than float32 rounds", Bundle: exactOps,
		Inject: recorded(otherOfATie),
		Want:   Want{Phase: "tokens", Op: "generated tokens"},
	},
	{
		Name: "token-that-is-never-drawn", Imitates: "a token drawn at random that top-k and top-p leave out", Bundle: exactLayers,
		Inject: recorded(func(r *Recording) error {
			r.Info.Run.Temperature = 0.7
			r.Info.Samples[0].Blocks[1][2]++
			return nil
		}),
		Want: Want{Phase: "tokens", Op: "generated tokens"},
	},
	{
		Name: "tokens-nobody-can-judge", Imitates: "other ids in a block whose logits are not recorded", Bundle: exactLayers,
		Inject: recorded(func(r *Recording) error {
			r.Info.Samples[0].Blocks[2][1]++
			return nil
		}),
		Want: Want{Verdict: verify.Incomplete, Says: []string{"nobody can say"}},
	},
	{
		Name: "other-guidance", Imitates: "a run of another guidance scale", Bundle: exactLayers,
		Inject: recorded(func(r *Recording) error {
			r.Info.Run.Guidance, r.Info.Samples[0].FirstGuidance = 6, 6
			return nil
		}),
		Want: Want{Op: "velocity", At: "b00/s00/"},
	},
	{
		Name: "pinned-rows-miscounted", Imitates: "another division of the prompt into prefix and pinned rows", Bundle: exactLayers,
		Inject: recorded(func(r *Recording) error {
			r.Info.Samples[0].Trim++
			return nil
		}),
		Want: Want{Phase: "tokens", Op: "layout of the prompts", Says: []string{"trimmed tokens"}},
	},
	{
		Name: "other-configuration", Imitates: "a bundle of a model with another rope_dim", Bundle: exactLayers,
		Inject: recorded(func(r *Recording) error {
			r.Info.Model.DiT = []byte(strings.Replace(string(r.Info.Model.DiT), `"rope_dim":24`, `"rope_dim":16`, 1))
			return nil
		}),
		Want: Want{Error: "rope_dim 24, not 16"},
	},
	{
		Name: "other-contract", Imitates: "an AdaLN table of another schedule than the bundle's", Bundle: exactLayers,
		Form: tabled(quantize.F32, tableSchedule),
		Want: Want{Error: "in 2 steps"},
	},
	{
		Name: "checkpoint-in-bf16", Imitates: "an artifact of a copy of the checkpoint that was rounded to bfloat16", Bundle: releasedOps,
		Form: stored("all in bf16", allIn(dtype.BF16), quantize.BF16),
		Want: Want{Op: "vae.encoder.blocks.0.attn.q", Tensor: encoder(0).QNorm.Weight(), Says: []string{"not made from the bundle's checkpoint"}},
	},
	{
		Name: "configuration-misread", Imitates: "a model computed with another rope_dim than its own", Bundle: exactOps,
		Inject: Injection{Config: func(c *hf.Config) { c.DiT.RopeDim = 32 }},
		Want:   Want{Error: dit(0).RopeFreqs, Damaged: true}, // the stored buffer contradicts it
	},
	{
		Name: "vae-configuration-misread", Imitates: "rope_theta of the class's default instead of the checkpoint's", Bundle: exactOps,
		Inject: Injection{Config: func(c *hf.Config) { c.VAE.RopeTheta = 500000 }},
		Want:   Want{Hypothesis: "other theta", Op: "vae.encoder.blocks.0.attn.q_rot", Says: []string{"uniform over all 2 layers"}},
	},
	{
		Name: "epsilon-misread", Imitates: "norm_eps of 1e-6 instead of 1e-5", Bundle: exactOps,
		Inject: Injection{Config: func(c *hf.Config) { c.DiT.NormEps = 1e-6 }},
		Want:   Want{Hypothesis: "another epsilon", Op: "dit.blocks.0.msa.q", Says: []string{"uniform over all 4 layers", "dit.blocks.0.msa.norm"}}, // narrow rows show it first
	},
	{
		Name: "scaling-factor-misread", Imitates: "scaling_factor of the class's default", Bundle: exactOps,
		Inject: Injection{Config: func(c *hf.Config) { c.VAE.ScalingFactor = 1.01 }},
		Want:   Want{Op: "vae.latents"},
	},
	{
		Name: "post-norm-misread", Imitates: "post_norm false", Bundle: exactOps,
		Inject: Injection{Config: func(c *hf.Config) { c.VAE.PostNorm = false }},
		Want:   Want{Hypothesis: "another input", Op: "vae.encoder.blocks.0.attn.qkv"},
	},
}

// Names of forms that several cases share.
var (
	f16File  = converted(convert.Options{Type: quantize.F16})
	bf16File = converted(convert.Options{Type: quantize.BF16})
	int8File = converted(convert.Options{Type: quantize.Int8})
	g32File  = converted(convert.Options{Type: quantize.Int8G32})
)
