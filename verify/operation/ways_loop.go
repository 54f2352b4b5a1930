package operation

import (
	"maps"
	"math"
	"slices"
	"strconv"

	"colakit/reference/generate"
	"colakit/verify/catalog"
)

// timestepWays tell an operation another time.
var timestepWays = []entry{
	time("timestep not rounded", "the timestep is not rounded", "the released contract rounds timesteps to bfloat16 before the sinusoid",
		func(c *Call, op *catalog.Op) bool {
			return isTimed(c, op) && c.Run.Contract == generate.Released && !c.Run.Tabled
		},
		func(given, _ float64, _ *Call) float64 { return given }),
	time("timestep rounded", "the timestep is rounded to bfloat16", "the exact contract takes timesteps as they are",
		func(c *Call, op *catalog.Op) bool {
			return isTimed(c, op) && c.Run.Contract == generate.Exact && !c.Run.Tabled
		},
		func(given, _ float64, _ *Call) float64 { return nearestBF16(given) }),
	time("timestep over T", "the timestep is divided by T", "timesteps run from T to 0, not from 1", isTimed,
		func(_, used float64, c *Call) float64 { return used / math.Max(c.Run.T, 1) }),
	time("timestep times T", "the timestep is multiplied by T", "timesteps run from T to 0", isTimed,
		func(_, used float64, c *Call) float64 { return used * c.Run.T }),
	time("the next timestep", "it is told the next step's time", "a step from t to t' is taken with the velocity at t", isTimed,
		func(_, used float64, c *Call) float64 { return c.Run.neighbour(used, 1) }),
	time("the timestep before", "it is told the time of the step before", "a step from t to t' is taken with the velocity at t", isTimed,
		func(_, used float64, c *Call) float64 { return c.Run.neighbour(used, -1) }),
	time("time from 0", "time runs from 0 to T", "timesteps run from T down to 0", isTimed,
		func(_, used float64, c *Call) float64 { return c.Run.T - used }),
	time("whole timesteps", "the timestep is cut to a whole number", "timesteps are real numbers", isTimed,
		func(given, _ float64, _ *Call) float64 { return math.Trunc(given) }),
	time("time from T − 1", "time runs from T − 1 to 0", "timesteps run from T to 0", isTimed,
		func(_, used float64, c *Call) float64 { return used * (c.Run.T - 1) / math.Max(c.Run.T, 1) }),
	time("timestep less 1", "the timestep is less by 1", "timesteps run from T to 0", isTimed,
		func(_, used float64, _ *Call) float64 { return used - 1 }),
	time("timestep in float16", "the timestep is rounded to float16", "the released contract rounds timesteps to bfloat16, the exact one not at all", isTimed,
		func(given, _ float64, _ *Call) float64 { return nearestF16(given) }),
	time("pinned rows at the schedule's time", "pinned rows have the schedule's time, not 0",
		"in the first block the rows of the prompt's latents have t = 0", isPinning,
		func(_, used float64, c *Call) float64 {
			if used == 0 {
				return float64(c.Run.schedule()[min(c.Site.Step, c.Run.Steps)])
			}
			return used
		}),
	time("all rows at time 0", "every row has t = 0", "only pinned rows of the first block have t = 0", isTimed,
		func(_, _ float64, _ *Call) float64 { return 0 }),
	{
		name: "cosines first", topic: Timestep, says: "cosines come before sines", do: "the sinusoid is [sin, cos]",
		when: isSinusoid, change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.cosineFirst = true },
	},
	{
		name: "sines and cosines alternate", topic: Timestep, says: "sines and cosines alternate", do: "the sinusoid is [sin, cos]",
		when: isSinusoid, change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.alternates = true },
	},
	{
		name: "half − 1", topic: Timestep, says: "frequencies are divided by half − 1", do: "compute f = exp(−ln(10000)·i/128), with half = 128",
		when: isSinusoid, change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.under = 127 },
	},
	{
		name: "other base of the sinusoid", topic: Timestep, says: "the base of the frequencies is %s", do: "compute f = exp(−ln(10000)·i/128)",
		when: isSinusoid, args: fixed("1000", "500000"),
		change: func(f *form, arg string, _ *Call, _ *catalog.Op) { f.base, _ = strconv.ParseFloat(arg, 64) },
	},
}

func time(name, says, do string, when func(*Call, *catalog.Op) bool, of func(given, used float64, c *Call) float64) entry {
	return entry{
		name: name, topic: Timestep, says: says, do: do, when: when, joint: true,
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.time = of },
	}
}

func isSinusoid(_ *Call, op *catalog.Op) bool { return op.Kind == catalog.Sinusoid }

// isTimed reports whether an operation is told a time.
func isTimed(c *Call, op *catalog.Op) bool {
	if c.Site.Stage != generate.Denoise {
		return false
	}
	return isSinusoid(c, op) || op.Path == "t" || op.Path == "t_used" || c.Run.Tabled && len(op.Inputs) == 1 && catalog.IsEmbedding(op.Inputs[0])
}

func isPinning(c *Call, op *catalog.Op) bool {
	return isTimed(c, op) && slices.ContainsFunc(c.Run.Samples, func(s Sample) bool { return s.Pinned > 0 && c.Site.Block == 0 })
}

// neighbour returns the timestep of the schedule so many steps after t.
func (r *Run) neighbour(t float64, by int) float64 {
	s := r.schedule()
	next := float64(s[min(max(r.line(t)+by, 0), len(s)-1)])
	if r.Contract == generate.Released {
		return nearestBF16(next)
	}
	return next
}

// loopWays guide and step otherwise.
var loopWays = []entry{
	{
		name: "another guidance", topic: Sampling, says: "guidance is %s", do: "compute v = s·(c − u) + u",
		when: isGuidance,
		args: func(c *Call, _ *catalog.Op) []string {
			return slices.DeleteFunc(slices.Sorted(maps.Keys(guidances)), func(g string) bool {
				return g == "u + s(c−u)" || g == "s·c + (1−s)·u" && c.Run.Contract == generate.Exact // the same, but for roundings
			})
		},
		change: func(f *form, arg string, _ *Call, _ *catalog.Op) { f.guide = arg },
	},
	{
		name: "branches exchanged", topic: Sampling, says: "the conditional and the unconditional branch change places", do: "compute v = s·(c − u) + u",
		when: isGuidance,
		change: func(f *form, _ string, _ *Call, op *catalog.Op) {
			f.input = map[string]string{op.Inputs[0]: op.Inputs[1], op.Inputs[1]: op.Inputs[0]}
		},
	},
	{
		name: "guidance of empty prefixes", topic: Sampling, says: "samples without a prefix are guided in the first block, too",
		do: "in the first block the guidance is 1 for a sample whose prefix is empty", when: isGuidance,
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) {
			f.stepping.scale = func(c *Call, _ int) float64 { return single(c.Run.Guidance) }
		},
	},
	{
		name: "no guidance", topic: Sampling, says: "the guidance is 1 in every sample", do: "compute v = s·(c − u) + u; s is 1 for empty prefixes in the first block alone",
		when: isGuidance,
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) {
			f.stepping.scale = func(*Call, int) float64 { return 1 }
		},
	},
	{
		name: "guidance rounded", topic: Sampling, says: "the guidance itself is rounded to bfloat16", do: "only the first block's guidance is a bfloat16 number",
		when: func(c *Call, op *catalog.Op) bool { return isGuidance(c, op) && c.Run.Contract == generate.Released },
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) {
			f.stepping.scale = func(c *Call, sample int) float64 { return nearestBF16(guidanceScale(c, sample)) }
		},
	},
	{
		name: "guidance not rounded", topic: Sampling, says: "the first block's guidance is not rounded to bfloat16", do: "the first block's guidance is a bfloat16 number",
		when: func(c *Call, op *catalog.Op) bool { return isGuidance(c, op) && c.Run.Contract == generate.Released },
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) {
			f.stepping.scale = func(c *Call, sample int) float64 {
				if s := guidanceScale(c, sample); s == 1 {
					return s
				}
				return single(c.Run.Guidance)
			}
		},
	},
	{
		name: "steps away", topic: Sampling, says: "the step adds v·dt", do: "compute z ← z − v·(t − t')/T", when: isStep,
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.stepping.sign = 1 },
	},
	{
		name: "width of another schedule", topic: Sampling, says: "dt is 1/%s, that of another number of steps", do: "compute dt = (t − t')/T: a schedule of n steps has n + 1 timesteps",
		when: isStep,
		args: func(c *Call, _ *catalog.Op) []string {
			return []string{strconv.Itoa(c.Run.Steps + 1), strconv.Itoa(max(c.Run.Steps-1, 1))}
		},
		change: func(f *form, arg string, _ *Call, _ *catalog.Op) {
			n, _ := strconv.ParseFloat(arg, 64)
			f.dt = func(*Call) float64 { return single(1 / n) }
		},
	},
	{
		name: "width of rounded timesteps", topic: Sampling, says: "dt is that of timesteps rounded to bfloat16", do: "the width of a step comes from the timesteps as given",
		when: isStep,
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) {
			f.dt = func(c *Call) float64 { return c.Run.width(c.Site.Step, nearestBF16) }
		},
	},
	{
		name: "width not over T", topic: Sampling, says: "dt is not divided by T", do: "compute dt = (t − t')/T", when: isStep,
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) {
			f.dt = func(c *Call) float64 { return stepWidth(c) * math.Max(c.Run.T, 1) }
		},
	},
	{
		name: "pinned rows move", topic: Sampling, says: "pinned rows are not set to their clean latents",
		do: "in the first block the prompt's own latents are set before every step and after it",
		when: func(c *Call, op *catalog.Op) bool {
			return op.Section == catalog.Loop && (op.Path == "z" || op.Path == "z_next" || op.Path == "t") && c.Site.Block == 0
		},
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.pinned = false },
	},
}

func isGuidance(_ *Call, op *catalog.Op) bool {
	return op.Section == catalog.Loop && op.Path == "velocity"
}

func isStep(_ *Call, op *catalog.Op) bool { return op.Section == catalog.Loop && op.Path == "z_next" }
