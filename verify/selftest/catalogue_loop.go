package selftest

import (
	"slices"

	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/reference/generate"
	"colakit/verify"
)

// loopFaults are mistakes in the order, the number and the arguments of the calls.
var loopFaults = []Case{
	{
		Name: "timesteps-rounded", Imitates: "timesteps in bfloat16 where they are exact", Bundle: exactLayers,
		Inject: times16(func(t float32) float32 { return dtype.RoundBF16(t) }),
		Want:   Want{Hypothesis: "timestep rounded", Op: "dit.blocks.0.msa.out", Tensor: hf.DiTEmbProjIn.Weight(), Says: []string{"in step 1, 2, 3, 4, 5, …, not in 0, 8, 12"}},
	},
	{
		Name: "timesteps-scaled", Imitates: "timesteps of another scale", Bundle: exactOps,
		Inject: times16(func(t float32) float32 { return t * 1.001 }),
		Want:   Want{Op: "dit.emb.sinusoid", Says: []string{"its formula"}},
	},
	{
		Name: "pinned-rows-in-time", Imitates: "pinned rows given the schedule's timestep, not 0", Bundle: exactOps,
		Inject: passes(func(s generate.Stage, p generate.Pass) generate.Pass {
			for i := range p.T {
				p.T[i] = slices.Max(p.T)
			}
			return p
		}),
		Want: Want{Hypothesis: "pinned rows at the schedule's time", Op: "dit.emb.sinusoid", At: "b00/"},
	},
	{
		Name: "branches-exchanged", Imitates: "guidance from uncond towards cond with the branches exchanged", Bundle: exactLayers,
		Inject: velocities(func(c, u []float32) ([]float32, []float32) { return u, c }),
		Want:   Want{Hypothesis: "branches exchanged", Op: "velocity"},
	},
	{
		Name: "uncond-not-computed", Imitates: "the conditional velocity used for both branches", Bundle: exactLayers,
		Inject: velocities(func(c, u []float32) ([]float32, []float32) { return c, slices.Clone(c) }),
		Want:   Want{Hypothesis: "another guidance", Op: "velocity"},
	},
	{
		Name: "branch-off-by-a-rounding", Imitates: "one branch a bfloat16 step off when it is guided", Bundle: releasedLayers,
		Inject: velocities(func(c, u []float32) ([]float32, []float32) {
			for i := range c {
				c[i] *= 1 + 0x1p-8
			}
			return c, u
		}),
		Want: Want{Op: "velocity"},
	},
	{
		Name: "latents-scaled-twice", Imitates: "scaling_factor applied behind the encoder once more", Bundle: exactOps,
		Inject: encoded(func(latents [][]float32) [][]float32 {
			for _, sample := range latents {
				for i := range sample {
					sample[i] *= 1.0001
				}
			}
			return latents
		}),
		Want: Want{Op: "dit.txt_in", At: "prefill/", Says: []string{"fed the golden's inputs"}},
	},
	{
		Name: "samples-exchanged", Imitates: "prefixes of two samples of a batch exchanged", Bundle: exactOps,
		Inject: around(func() *Engine {
			return &Engine{Prefix: func(prefix [][]float32) [][]float32 {
				prefix[0], prefix[1] = prefix[1], prefix[0]
				return prefix
			}}
		}),
		Want: Want{Op: "dit.txt_in", At: "prefill/"},
	},
	{
		Name: "prefix-short-of-a-block", Imitates: "the last block of the prefix not written to the caches", Bundle: exactLayers,
		Inject: around(func() *Engine {
			return &Engine{Prefix: func(prefix [][]float32) [][]float32 {
				prefix[0] = prefix[0][:len(prefix[0])/2]
				return prefix
			}}
		}),
		Want: Want{Phase: "shapes and types", Op: "dit.blocks.0.in", At: "prefill/"},
	},
	{
		Name: "decoder-other-latents", Imitates: "the decoder given other latents than the last step's", Bundle: exactLayers,
		Inject: passes(func(s generate.Stage, p generate.Pass) generate.Pass {
			if s == generate.Decode {
				p.Z[5] += 0.01
			}
			return p
		}),
		Want: Want{Op: "vae.decoder.blocks.0.in", At: "b00/decode/"},
	},
	{
		Name: "decoder-before-the-last-step", Imitates: "latents decoded one step too early", Bundle: exactOps,
		Inject: lastSeen(generate.Decode),
		Want:   Want{Op: "vae.decoder.in_layer", At: "b00/decode/"},
	},
	{
		Name: "commit-before-the-last-step", Imitates: "noisy latents committed to the cache", Bundle: exactOps,
		Inject: lastSeen(generate.Commit),
		Want:   Want{Op: "dit.txt_in", At: "b00/commit/"},
	},
	{
		Name: "commit-missing", Imitates: "a finished block that is not committed", Bundle: exactLayers,
		Inject: commits(func(generate.Pass) int { return 0 }),
		Want:   Want{Phase: "names", Op: "taps on one side only", Says: []string{"b00/commit/"}},
	},
	{
		Name: "commit-twice", Imitates: "a finished block that is committed twice", Bundle: exactOps,
		Inject: commits(func(generate.Pass) int { return 2 }),
		Want:   Want{Op: "dit.blocks.0.msa.q_rot", At: "b00/commit/", Says: []string{"only in the conditional branch: the cache, or the positions behind it"}},
	},
	{
		Name: "tap-never-shown", Imitates: "an operation that is skipped", Bundle: exactOps,
		Inject: spoils(Values{At: at("dit.blocks.1.mlp.act"), Hide: true}),
		Want:   Want{Phase: "names", Op: "taps on one side only", Says: []string{"dit.blocks.1.mlp.act"}},
	},
	{
		Name: "value-misshapen", Imitates: "rows and channels exchanged", Bundle: exactOps,
		Inject: spoils(Values{At: at("dit.blocks.1.mlp.act"), Spoil: turned}),
		Want:   Want{Phase: "shapes and types", Op: "dit.blocks.1.mlp.act", Says: []string{"shape [384,"}},
	},
	{
		Name: "other-tokens", Imitates: "another token chosen from right logits", Bundle: exactLayers,
		Inject: around(func() *Engine {
			return &Engine{Logits: func(p generate.Pass, logits []float32) {
				if p.Block == 1 {
					logits[7] = 1e3
				}
			}}
		}),
		Want: Want{Phase: "tokens", Op: "generated tokens", Says: []string{"share of other ids"}},
	},
	{
		Name: "text-without-special-tokens", Imitates: "special tokens left out of the text", Bundle: exactLayers,
		Inject: Injection{Options: func(o *verify.Options) {
			decode := o.Text
			o.Text = func(ids []int32) string {
				return decode(slices.DeleteFunc(slices.Clone(ids), func(id int32) bool { return id >= 765 }))
			}
		}},
		Want: Want{Phase: "tokens", Op: "text", Says: []string{"another tokenizer"}},
	},
}

// passes changes what the engine is called with.
func passes(change func(generate.Stage, generate.Pass) generate.Pass) Injection {
	return around(func() *Engine { return &Engine{Pass: change} })
}

// times16 changes every timestep.
func times16(change func(float32) float32) Injection {
	return passes(func(_ generate.Stage, p generate.Pass) generate.Pass {
		for i, t := range p.T {
			p.T[i] = change(t)
		}
		return p
	})
}

// lastSeen gives one stage the latents that the last step was given.
func lastSeen(stage generate.Stage) Injection {
	return around(func() *Engine {
		var last []float32
		return &Engine{Pass: func(s generate.Stage, p generate.Pass) generate.Pass {
			switch s {
			case generate.Denoise:
				last = slices.Clone(p.Z)
			case stage:
				p.Z = last
			}
			return p
		}}
	})
}

func velocities(change func(cond, uncond []float32) (c, u []float32)) Injection {
	return around(func() *Engine { return &Engine{Velocities: change} })
}

func encoded(change func([][]float32) [][]float32) Injection {
	return around(func() *Engine { return &Engine{Encoded: change} })
}

func commits(times func(generate.Pass) int) Injection {
	return around(func() *Engine { return &Engine{Commits: times} })
}

// stateFaults are mistakes in the loop's own arithmetic: latents, time, guidance.
var stateFaults = []Case{
	{
		Name: "pinned-rows-not-pinned", Imitates: "pinned rows go into a step as noise", Bundle: exactOps,
		Inject: spoils(Values{At: branch("", at("z")), Spoil: spoil(overPinned(func(i int) float64 { return float64(i%7) - 3 }))}),
		Want:   Want{Op: "z", At: "b00/s00/"},
	},
	{
		Name: "pinned-rows-not-restored", Imitates: "pinned rows keep what the step made of them", Bundle: exactLayers,
		Inject: spoils(Values{At: branch("", at("z_next")), Spoil: spoil(overPinned(func(i int) float64 { return float64(i%5) / 5 }))}),
		Want:   Want{Op: "z_next", At: "b00/s00/"},
	},
	{
		Name: "schedule-without-its-end", Imitates: "linspace that leaves the end out", Bundle: exactLayers,
		Inject: spoils(Values{At: branch("", at("t")), Spoil: spoil(shortSchedule)}),
		Want:   Want{Op: "t", At: "b00/s01/"},
	},
	{
		Name: "timesteps-not-rounded", Imitates: "timesteps that the released run rounds to bfloat16 used as they are", Bundle: releasedLayers,
		Inject: spoils(Values{At: branch("", at("t_used")), Keep: branch("", at("t")),
			Spoil: func(p *Pass, s generate.Site, _ tensor.View) (tensor.View, error) { return p.Value(s, "t") }}),
		Want: Want{Phase: "shapes and types", Op: "t_used", Says: []string{"a rounding is missing"}},
	},
	{ // Without a prefix the branches of the first block are equal, whatever the scale.
		Name: "guidance-stays-1", Imitates: "guidance 1 for empty prefixes not in the first block only", Bundle: exactOps,
		Inject: guided(func(g guidance, c, u float64) float64 { return float64(float32(g.first)*float32(c-u) + float32(u)) }),
		Want:   Want{Op: "velocity", At: "b01/s00/", Says: []string{"only from block 1 on"}},
	},
	{
		Name: "guidance-1-for-all", Imitates: "guidance 1 in the first block of samples with a prefix, too", Bundle: exactLayers,
		Inject: guided(func(g guidance, c, u float64) float64 {
			if g.block == 0 {
				return c
			}
			return float64(float32(g.scale)*float32(c-u) + float32(u))
		}),
		Want: Want{Hypothesis: "another guidance", Op: "velocity", At: "b00/s00/", Says: []string{"in block 0, not in 1"}},
	},
	{
		Name: "guidance-around-cond", Imitates: "v = c + s·(c − u)", Bundle: exactLayers,
		Inject: guided(func(g guidance, c, u float64) float64 { return c + g.scale*(c-u) }),
		Want:   Want{Hypothesis: "another guidance", Op: "velocity", At: "b00/s00/"},
	},
	{
		Name: "guidance-in-float32", Imitates: "guidance rounded to bfloat16 once, not after every operation", Bundle: releasedLayers,
		Inject: guided(func(g guidance, c, u float64) float64 { return g.scale*(c-u) + u }),
		Want:   Want{Hypothesis: "nothing rounded in between", Op: "velocity"},
	},
	{
		Name: "integrator-in-bf16", Imitates: "latents rounded to bfloat16 after every step", Bundle: releasedLayers,
		Inject: spoils(Values{At: branch("", at("z_next")), Spoil: each(func(v float64) float64 { return float64(dtype.RoundBF16(float32(v))) })}),
		Want:   Want{Hypothesis: "float32 result rounded", Op: "z_next", At: "b00/s00/"},
	},
	{
		Name: "step-width-rounded", Imitates: "the width of a step taken from rounded timesteps", Bundle: releasedLayers,
		Inject: spoils(Values{At: branch("", at("z_next")), Keep: branch("", at("z", "velocity")), Spoil: spoil(roundedWidth)}),
		Want:   Want{Hypothesis: "width of rounded timesteps", Op: "z_next", Says: []string{"not in"}},
	},
	{
		Name: "integrator-backwards", Imitates: "z + v·dt", Bundle: exactLayers,
		Inject: spoils(Values{At: branch("", at("z_next")), Keep: branch("", at("z")), Spoil: spoil(backwards)}),
		Want:   Want{Hypothesis: "steps away", Op: "z_next", At: "b00/s00/"},
	},
	{
		Name: "latents-sampled", Imitates: "a sample of the encoder's distribution instead of its mode", Bundle: exactOps,
		Inject: spoils(Values{At: at("vae.latents"), Keep: at("vae.encoder.final"), Spoil: spoil(sampledLatents)}),
		Want:   Want{Op: "vae.latents", At: "encode/"},
	},
}
