package operation

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"colakit/formats/hf"
	"colakit/reference/generate"
	"colakit/verify/catalog"
)

// wiringWays read another value of the same pass.
var wiringWays = []entry{
	{
		name: "another input", topic: Wiring, says: "it reads %s",
		do:   "look at where the operation takes its input from",
		when: func(c *Call, op *catalog.Op) bool { return op == c.op }, args: otherInputs,
		change: func(f *form, arg string, _ *Call, _ *catalog.Op) {
			own, other, _ := strings.Cut(arg, "=")
			f.input = map[string]string{own: other}
		},
	},
}

// otherInputs lists "own=other" for values of the same pass and size as an input.
func otherInputs(c *Call, op *catalog.Op) []string {
	known := map[string]bool{}
	for path := range maps.Keys(c.Inputs) {
		known[path] = c.Run.Catalog().Op(path) != nil
	}
	for path := range c.Nearby {
		known[path] = true
	}
	var pairs []string
	for _, own := range op.Inputs {
		if c.Run.Catalog().Op(own) == nil || op.Section == catalog.Loop {
			continue
		}
		rows, cols := c.size(own)
		for _, other := range slices.Sorted(maps.Keys(known)) {
			if r, n := c.size(other); known[other] && other != own && r == rows && n == cols {
				pairs = append(pairs, own+"="+other)
			}
		}
	}
	return pairs
}

// formulaWays compute another function.
var formulaWays = []entry{
	{
		name: "another activation", topic: Formula, says: "the activation is %s",
		do:   "the prior's MLP takes GELU in its tanh form, the VAE's FFN what its configuration names; gelu there is the erf form",
		when: isActivation, args: otherActivations,
		change: func(f *form, arg string, _ *Call, _ *catalog.Op) { f.act = arg },
	},
	{
		name: "halves of SwiGLU exchanged", topic: Formula, says: "SwiGLU gates with the first half",
		do: "compute a·silu(g): the second half gates the first",
		when: func(c *Call, op *catalog.Op) bool {
			return op.Name == "ffn.act" && c.Run.Config.VAE.Act == hf.ActSwiGLU
		},
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.activation.exchanged = true },
	},
	{
		name: "activation of the embedding", topic: Formula, says: "the activation of the timestep embedding is %s",
		do:   "SiLU stands between the embedding's layers, and before every AdaLN",
		when: usesSiLU, args: fixed("none", "gelu-tanh", "relu"),
		change: func(f *form, arg string, _ *Call, _ *catalog.Op) {
			if f.silu = arg; arg == "none" {
				f.silu = ""
			}
		},
	},
	{
		name: "scale for 1 + scale", topic: Formula, says: "it multiplies by scale, not by 1 + scale",
		do: "compute norm·(1 + scale) + shift", when: isModulated,
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.one = 0 },
	},
	{
		name: "shift and scale exchanged", topic: Formula, says: "shift and scale change places",
		do: "compute norm·(1 + scale) + shift", when: isModulated,
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.modulation.exchanged = true },
	},
	{
		name: "no shift", topic: Formula, says: "the shift is left out", do: "add the shift",
		when:   func(c *Call, op *catalog.Op) bool { return isModulated(c, op) || shifts(c, op) },
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.shift = 0 },
	},
	{
		name: "no scale", topic: Formula, says: "the scale is left out", do: "multiply by the scale",
		when:   func(c *Call, op *catalog.Op) bool { return isModulated(c, op) || scales(c, op) },
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.modulation.scale = 0 },
	},
	{
		name: "shift before scale", topic: Formula, says: "the shift is added before the scale multiplies",
		do: "compute norm·(1 + scale) + shift", when: isModulated,
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.shiftFirst = true },
	},
	{
		name: "no gate", topic: Formula, says: "the gate is left out", do: "compute residual + branch·gate", when: isGated,
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.gateOne, f.gate = 1, 0 },
	},
	{
		name: "1 + gate for the gate", topic: Formula, says: "it multiplies by 1 + gate", do: "compute residual + branch·gate, without a 1", when: isGated,
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.gateOne = 1 },
	},
	{
		name: "no residual", topic: Formula, says: "the residual is left out", do: "add the residual", when: isResidual,
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.residual = 0 },
	},
	{
		name: "no branch", topic: Formula, says: "the branch is left out", do: "add the branch's output", when: isResidual,
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.branch = 0 },
	},
	{
		name: "not normalised", topic: Formula, says: "it is not normalised", do: "apply the LayerNorm", when: normalises,
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.norming.times = 0 },
	},
	{
		name: "normalised twice", topic: Formula, says: "it is normalised twice",
		do:     "the prior caches keys after their norm, the VAE before: neither normalises twice",
		when:   normalises,
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.norming.times = 2 },
	},
	{
		name: "mean not subtracted", topic: Formula, says: "the mean is not subtracted, as in RMSNorm", do: "LayerNorm subtracts the mean", when: normalises,
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.centred = false },
	},
	{
		name: "1 + weight of a norm", topic: Formula, says: "it multiplies by 1 + weight", do: "LayerNorm multiplies by its weight", when: isNorm,
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.norming.gamma = 1 },
	},
	{
		name: "norm of another width", topic: Formula, says: "the norm runs over %s elements",
		do:   "the prior normalises queries and keys head by head, the VAE over their whole width",
		when: normalises, args: otherWidths,
		change: func(f *form, arg string, _ *Call, _ *catalog.Op) { f.width, _ = strconv.Atoi(arg) },
	},
	{
		name: "another epsilon", topic: Contract, says: "epsilon is %s",
		do:   "the prior's norms add norm_eps, the VAE's layer_norm_eps",
		when: normalises, args: otherEpsilons,
		change: func(f *form, arg string, _ *Call, _ *catalog.Op) { f.eps, _ = strconv.ParseFloat(arg, 64) },
	},
	{
		name: "epsilon outside the root", topic: Contract, says: "epsilon is added to the deviation, not to the variance",
		do: "compute (x − mean)/√(variance + eps)", when: normalises,
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.outside = true },
	},
	{
		name: "variance of a sample", topic: Contract, says: "the variance is divided by n − 1", do: "divide by n", when: normalises,
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.sample = true },
	},
	{
		name: "no clip", topic: Formula, says: "qkv is not clipped", do: "limit qkv to ±clip_qkv",
		when:   func(c *Call, op *catalog.Op) bool { return op.Name == "attn.qkv" && c.Run.Config.VAE.ClipQKV != nil },
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.clip = false },
	},
	{
		name: "latents scaled before the shift", topic: Formula, says: "latents are mode·scale − shift", do: "compute (mode − shifting_factor)·scaling_factor",
		when:   func(c *Call, op *catalog.Op) bool { return shifts(c, op) && scales(c, op) },
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.scaleFirst = true },
	},
	{
		name: "latents scaled back", topic: Formula, says: "latents are mode/scale + shift", do: "compute (mode − shifting_factor)·scaling_factor",
		when:   func(c *Call, op *catalog.Op) bool { return shifts(c, op) || scales(c, op) },
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.reciprocal = true },
	},
}

func isActivation(_ *Call, op *catalog.Op) bool { return op.Kind == catalog.Activation }

func otherActivations(c *Call, op *catalog.Op) []string {
	own, others := "gelu-tanh", []string{"gelu", "gelu-tanh", "gelu-quick", "silu", "relu"}
	if op.Section != catalog.DiT {
		own = c.Run.Config.VAE.Act
	}
	if own == hf.ActSwiGLU {
		others = []string{"geglu", "glu-tanh"}
	}
	return slices.DeleteFunc(others, func(name string) bool { return name == own })
}

func usesSiLU(c *Call, op *catalog.Op) bool {
	return op.Section == catalog.DiT && !c.Run.Tabled && (op.Name == "emb" || strings.Contains(op.Name, "ada."))
}

func isModulated(_ *Call, op *catalog.Op) bool {
	return op.Section == catalog.DiT && strings.HasSuffix(op.Name, ".in") && op.Kind == catalog.Elementwise
}

func isGated(c *Call, op *catalog.Op) bool {
	return isResidual(c, op) && op.Section == catalog.DiT
}

func isResidual(_ *Call, op *catalog.Op) bool { return strings.HasSuffix(op.Name, ".residual") }

func normalises(_ *Call, op *catalog.Op) bool { return op.Kind == catalog.Normalisation }

func shifts(c *Call, op *catalog.Op) bool {
	return op.Path == "vae.latents" && c.Run.Config.VAE.ShiftingFactor != 0
}

func scales(c *Call, op *catalog.Op) bool {
	return op.Path == "vae.latents" && c.Run.Config.VAE.ScalingFactor != 1
}

func otherWidths(c *Call, op *catalog.Op) []string {
	_, cols := c.size(op.Path)
	head := c.Run.Config.VAE.HeadDim()
	if op.Section == catalog.DiT {
		head = c.Run.Config.DiT.HeadDim
	}
	switch op.Name {
	case "msa.q", "msa.k":
		if cols != head {
			return []string{strconv.Itoa(cols)}
		}
	case "attn.q", "attn.k":
		if cols != head {
			return []string{strconv.Itoa(head)}
		}
	}
	return nil
}

func otherEpsilons(_ *Call, op *catalog.Op) []string {
	var others []string
	for _, text := range []string{"1e-5", "1e-6", "1e-3", "1e-8", "1e-12", "0"} {
		if eps, _ := strconv.ParseFloat(text, 64); eps != op.Eps {
			others = append(others, text)
		}
	}
	return others
}

// contractWays round elsewhere. They come last: of several ways that fit, one that
// is no matter of rounding says more.
var contractWays = []entry{
	rounds("operands not rounded", "operands and weights of the product are not rounded", generate.Released, multiplies,
		func(f *form) { f.operand, f.weight = unrounded, unrounded }),
	rounds("nothing rounded in between", "nothing is rounded between its inputs and its result", generate.Released, always,
		func(f *form) { f.step, f.weights = unrounded, unrounded }),
	rounds("weights of the softmax not rounded", "the softmax's weights are not rounded", generate.Released,
		func(_ *Call, op *catalog.Op) bool { return op.Kind == catalog.Attention }, func(f *form) { f.weights = unrounded }),
	rounds("result not rounded", "its result is not rounded", generate.Released, always, func(f *form) { f.result = unrounded }),
	rounds("nothing rounded", "nothing at all is rounded", generate.Released, always, func(f *form) {
		f.operand, f.weight, f.step, f.weights, f.result = unrounded, unrounded, unrounded, unrounded, unrounded
	}),
	rounds("result cut", "its result is cut to bfloat16, not rounded to nearest even", generate.Released, always,
		func(f *form) { f.result = towardsZeroBF16 }),
	rounds("everything cut", "every number is cut to bfloat16, not rounded to nearest even", generate.Released, always, func(f *form) {
		f.operand, f.weight, f.step, f.weights, f.result = towardsZeroBF16, towardsZeroBF16, towardsZeroBF16, towardsZeroBF16, towardsZeroBF16
	}),
	rounds("bias after rounding", "the product is rounded before its bias is added, too", generate.Released, multiplies, func(f *form) { f.early = true }),
	rounds("float32 result rounded", "its result is rounded to bfloat16, where the run holds float32", generate.Released, always, func(f *form) { f.wide = nearestBF16 }),
	rounds("float16 throughout", "numbers are rounded to float16, not to bfloat16", generate.Released, always, func(f *form) {
		f.operand, f.weight, f.step, f.weights, f.result = nearestF16, nearestF16, nearestF16, nearestF16, nearestF16
	}),
	rounds("result in bfloat16", "its result is rounded to bfloat16", generate.Exact, always, func(f *form) { f.wide, f.result = nearestBF16, nearestBF16 }),
	rounds("the released contract", "it rounds as the released contract does", generate.Exact, always, func(f *form) {
		f.operand, f.weight, f.step, f.weights, f.result, f.wide = nearestBF16, nearestBF16, nearestBF16, nearestBF16, nearestBF16, nearestBF16
	}),
	rounds("operands in bfloat16", "operands and weights of the product are rounded to bfloat16", generate.Exact, multiplies,
		func(f *form) { f.operand, f.weight = nearestBF16, nearestBF16 }),
	rounds("operands in float16", "operands and weights of the product are rounded to float16", generate.Exact, multiplies,
		func(f *form) { f.operand, f.weight = nearestF16, nearestF16 }),
	rounds("TF32", "operands and weights of the product are rounded to TF32", generate.Exact, multiplies,
		func(f *form) { f.operand, f.weight = nearestTF32, nearestTF32 }),
	rounds("weights in bfloat16", "its weights are rounded to bfloat16", generate.Exact, hasProduct, func(f *form) { f.weight = nearestBF16 }),
	rounds("weights in float16", "its weights are rounded to float16", generate.Exact, hasProduct, func(f *form) { f.weight = nearestF16 }),
	rounds("result in float16", "its result is rounded to float16", generate.Exact, always, func(f *form) { f.wide = nearestF16 }),
}

func rounds(name, says string, under generate.Contract, when func(*Call, *catalog.Op) bool, change func(*form)) entry {
	do := "the released contract rounds where docs and package reference say: operands and results of products, sums and products of bfloat16 values, to nearest even"
	if under == generate.Exact {
		do = "the exact contract rounds nothing below float32: switch autocast, TF32 and half precision off"
	}
	return entry{
		name: name, topic: Contract, says: says, do: do,
		when: func(c *Call, op *catalog.Op) bool {
			return c.Run.Contract == under && when(c, op)
		},
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { change(f) },
	}
}

func always(_ *Call, op *catalog.Op) bool { return op.Kind != catalog.Copy || op.Path == "t_used" }

func multiplies(_ *Call, op *catalog.Op) bool {
	return op.Kind == catalog.Product || op.Kind == catalog.Attention || op.Kind == catalog.Chain
}
