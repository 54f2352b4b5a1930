package verify

import (
	"math"

	"colakit/formats/dtype"
	"colakit/golden"
	"colakit/reference/generate"
	"colakit/verify/catalog"
	"colakit/verify/metric"
)

// This file holds every tolerance of the toolkit. A rule says when it applies, its
// limits, and where they come from; the first rule that applies judges. Nothing
// else in the tree decides how much error is too much.

const (
	round32 = 0x1p-24 // rounding error of one float32 operation, relative
	ulpBF16 = 0x1p-7  // one unit in the last place of bfloat16, relative, at most
)

// Policy lists the rules, most specific first.
var Policy = []Rule{
	{
		Name: "float32 copy", Formula: "bit-equal",
		Derivation: "Nothing is computed.",
		applies:    float32Values(catalog.Copy), limits: bitEqual,
	},
	{
		Name: "float32 product", Formula: "rel-L2 ≤ 8·√K·2⁻²⁴, max-abs ≤ 8·√K·2⁻²⁴·max|e|",
		Derivation: "The partial sums of K products of random sign grow like √k, so a float32 sum has an rms error of √(K/2)·2⁻²⁵ of its result, " +
			"and two that add in different orders differ by √K·2⁻²⁵. The limit is 16 times that, for terms that cancel.",
		applies: float32Values(catalog.Product), limits: relative(sums),
	},
	{
		Name: "float32 normalisation", Formula: "rel-L2 ≤ 8·√K·(1 + a/2)·2⁻²⁴, max-abs ≤ 8·√K·(1 + a/2)·2⁻²⁴·max|e|",
		Derivation: "Mean and variance are sums of K terms: as a product of that width. A mean far from 0 is off by √K·2⁻²⁵·|mean| rms and by 2⁻²⁴·|mean| for its own rounding, " +
			"on either side; 4 rms errors and both roundings are at most 4·√K·2⁻²⁴·|mean|. What is left after it is subtracted carries that error and is divided by √(variance + eps): " +
			"a = |mean|/√(variance + eps) of the golden's rows, rms (for max-abs: the largest), relative to their normalised elements. " +
			"(T. F. Chan, G. H. Golub, R. J. LeVeque, 1983: the condition number of a variance.) Rows around 0 have an a of 0.",
		applies: float32Values(catalog.Normalisation),
		limits: func(f Facts, s metric.Summary) []Check {
			t := sums(f)
			return []Check{check("rel-L2", s.RelL2, t*(1+f.Offset.RMS/2)), check("max-abs", s.MaxAbs.Value, t*(1+f.Offset.Max/2)*s.MaxRef)}
		},
	},
	{
		Name: "float32 attention", Formula: "rel-L2 ≤ (8·√Lk + 2·max|s|)·2⁻²⁴, max-abs ≤ (8·√Lk + 2·max|s|)·2⁻²⁴·max|e|",
		Derivation: "A sum over Lk keys; the difference of a score s to the largest one is rounded by up to 2·max|s|·2⁻²⁴ before its exponential, which makes that relative.",
		applies:    float32Values(catalog.Attention),
		limits:     relative(func(f Facts) float64 { return sums(f) + 2*f.Score*round32 }),
	},
	{
		Name: "float32 elementwise", Formula: "|a−e| ≤ 4·2⁻²⁴·|e| + 2·2⁻²⁴·M, for every element",
		Derivation: "Four roundings of the result (4 ULP and less), and one on either side of operands that may cancel; M bounds their magnitude.",
		applies:    float32Values(catalog.Elementwise), band: cancelling, limits: everyElement,
	},
	{
		Name: "float32 activation", Formula: "|a−e| ≤ 4·2⁻²³·|e| + 8·2⁻²⁴·M, for every element",
		Derivation: "4 ULP of an exponential, a division and two products on either side. GELU adds 1 + tanh (or erf), which cancels for negative x and leaves an error of x itself: " +
			"PyTorch's vectorised kernels were measured within 6·2⁻²⁴·|x| of the exact function (torch 2.15, |x| ≤ 6; tanh within 2), 2 more for the other side; M = max|x|. M is 0 for SiLU and SwiGLU.",
		applies: float32Values(catalog.Activation),
		band:    func(f Facts) metric.Band { return metric.Band{Rtol: 8 * round32, Atol: 8 * f.Operand * round32} },
		limits:  everyElement,
	},
	{
		Name: "float32 rotation", Formula: "rel-L2 ≤ (2·p + 4)·2⁻²⁴, max-abs ≤ (2·p + 4)·2⁻²⁴·√2·max|x|",
		Derivation: "The angle position·θ comes of a θ ≤ 1 and a product, each off by 2⁻²⁴ relative: 2·p·2⁻²⁴ at the last position p. Sine, cosine, two products and a sum add 4·2⁻²⁴. " +
			"A rotated pair is at most √2 times its larger element.",
		applies: float32Values(catalog.Rotation),
		limits: func(f Facts, s metric.Summary) []Check {
			t := (2*f.Position + 4) * round32
			return []Check{check("rel-L2", s.RelL2, t), check("max-abs", s.MaxAbs.Value, t*math.Sqrt2*f.Operand)}
		},
	},
	{
		Name: "float32 sinusoid", Formula: "max-abs ≤ (2·t + 2)·2⁻²⁴, rel-L2 ≤ (2·t + 2)·2⁻²⁴·√2",
		Derivation: "The angle t·f with f = e^(−x): the rounding of x moves f by f·x·2⁻²⁴ ≤ 2⁻²⁴/e, the exponential and the product by 2⁻²⁴ less than twice; " +
			"at most 2·t·2⁻²⁴ in all. Sine and cosine add 2⁻²⁴ on either side. Their rms is 1/√2.",
		applies: float32Values(catalog.Sinusoid),
		limits: func(f Facts, s metric.Summary) []Check {
			t := (2*f.Timestep + 2) * round32
			return []Check{check("max-abs", s.MaxAbs.Value, t), check("rel-L2", s.RelL2, t*math.Sqrt2)}
		},
	},
	{
		Name: "float32 chain", Formula: "rel-L2 ≤ 8·√ΣK·2⁻²⁴, max-abs ≤ 8·√ΣK·2⁻²⁴·max|e|",
		Derivation: "Between two recorded values lie several operations. Their errors are independent and add as squares, so their K add; elementwise operations alone count as a K of 1.",
		applies:    float32Values(catalog.Chain), limits: relative(sums),
	},
	{
		Name: "released copy", Formula: "bit-equal",
		Derivation: "Nothing is computed.",
		applies: func(f Facts) bool {
			return f.Mode == Isolated && f.Contract == generate.Released && f.Kind == catalog.Copy && f.Artifact == dtype.F32
		},
		limits: bitEqual,
	},
	{
		Name: "released, fused kernels", Formula: "rel-L2 ≤ 1e-2, max-abs ≤ 5·1e-2·max|e|",
		Derivation: "A fused attention of the golden does not round the scaled query, the scores and the weights to bfloat16 where the plain code does: 2⁻⁹ relative each, and for a score s |s|·2⁻⁹ of its weight. " +
			"Kernels of other engines leave out as much. The ratio to the golden's own error judges them as well.",
		applies: func(f Facts) bool { return (f.Fused || f.Kernels) && isolated(generate.Released, dtype.F32)(f) },
		limits:  absolute(1e-2),
	},
	{
		Name: "released", Formula: "for |e| ≥ 2⁻¹⁰: ≥ 99 % bit-equal, ≥ 99.9 % and ≥ ¼ of each channel within 1 ULP; rel-L2 ≤ √(1 %)·2⁻⁷, max-abs ≤ 2·2⁻⁷·max|e|",
		Derivation: "Both sides round the same float32 sum, in another order, to bfloat16: it falls on the other side of a rounding boundary where it lies within its own error of one. " +
			"1 % of the elements off by one ULP (2⁻⁷ relative at most) is a rel-L2 of √(1 %)·2⁻⁷. A share of n elements is granted 3 standard errors, one element at least. " +
			"Of an attention n counts the heads of rows: a weight that is rounded the other way moves all channels of one. " +
			"All of a channel's 4 or more elements are beyond 1 ULP by chance once in 10¹²: a bias of one channel in thousands shows there alone.",
		applies: func(f Facts) bool {
			return isolated(generate.Released, dtype.F32)(f) && f.Kind != catalog.Chain
		},
		limits: sameRoundings,
	},
	{
		Name: "released chain", Formula: "rel-L2 ≤ √(m·1 %)·2⁻⁷, max-abs ≤ 2·2⁻⁷·max|e|",
		Derivation: "m operations between two recorded values round in turn, each as above. One element that falls on the other side moves all results of the next product a little, " +
			"so bits say nothing; the errors are independent and their squares add. Shares are granted as above.",
		applies: isolated(generate.Released, dtype.F32), limits: sameRoundings,
	},
	{
		Name: "f16 artifact", Formula: "rel-L2 ≤ 1e-3·√w, max-abs ≤ 5·1e-3·√w·max|e|",
		Derivation: "A weight rounded to 11 bits is off by 2.1e-4 rms (2⁻¹⁰/√12, over mantissas from 1 to 2), and so is a product of many. The limit is 5 times that, for terms that cancel; " +
			"in a chain the errors of its w weighted modules are independent and add as squares. A softmax makes of the relative error of a score s one of |s| times that: " +
			"with scores around 2, the squares of what lies ahead of it count four times. SwiGLU multiplies two results of its module, which therefore counts twice where they aren't shown. " +
			"Of n < 9 elements all may be small by chance, and the error is not: the limit grows by √e·10^(4/n)/5, which one comparison in 10⁴ needs (Chernoff, of the sum of n squares).",
		applies: isolated(generate.Exact, dtype.F16), limits: weighted(1e-3),
	},
	{
		Name: "bf16 artifact", Formula: "rel-L2 ≤ 8e-3·√w, max-abs ≤ 5·8e-3·√w·max|e|",
		Derivation: "bfloat16 keeps 8 bits where float16 keeps 11: 2³ times the limits of an f16 artifact, here and below.",
		applies:    isolated(generate.Exact, dtype.BF16), limits: weighted(8 * 1e-3),
	},
	{
		Name: "released, 16-bit artifact", Formula: "rel-L2 ≤ 1e-2·√w, max-abs ≤ 5·1e-2·√w·max|e|",
		Derivation: "The run rounds its weights to bfloat16. Of those that were float16 before, 1 in 16 rounds the other way, by one ULP: 1.4e-3 rms, and 2e-3 more where " +
			"results round the other way in turn. Norms and embeddings stored as bfloat16 are off by 1.7e-3 and do the same. The limit is 4 times 2.5e-3; w as above.",
		applies: isolated(generate.Released, dtype.F16, dtype.BF16), limits: weighted(1e-2),
	},
	{
		Name: "int8 artifact", Formula: "rel-L2 ≤ 1.6e-2·√w (36 dB where w = 1), max-abs ≤ 5·1.6e-2·√w·max|e|",
		Derivation: "A weight is off by s/√12 rms with a step s of 1/127 of the largest of its row, which in a row of thousands is about 4 times their rms: 41 dB. " +
			"5 dB less are left for rows with outliers. With 16-bit activations, under either contract. In a chain the errors of the modules add as for 16 bits: w as above.",
		applies: codes(Isolated, generate.FloatActivations), limits: weighted(decibels(36)),
	},
	{
		Name: "int8 artifact and activations", Formula: "rel-L2 ≤ 3.2e-2·√w (30 dB where w = 1), max-abs ≤ 5·3.2e-2·√w·max|e|",
		Derivation: "A token's activations have larger outliers than weights, and their noise adds to that of the weights: twice the limit.",
		applies:    codes(Isolated, generate.Int8Activations), limits: weighted(decibels(30)),
	},
	{
		Name: "exact, free-running", Formula: "rel-L2 ≤ 1e-5, max-abs ≤ 5·1e-5·max|e|",
		Derivation: "Measured for 24 layers of the released widths: float32 is within 8e-7 of the exact result after one forward.",
		applies:    running(Free, generate.Exact, dtype.F32), limits: absolute(1e-5),
	},
	{
		Name: "released, free-running", Formula: "rel-L2 ≤ 2.5e-2, max-abs ≤ 5·2.5e-2·max|e|",
		Derivation: "Measured likewise: the released roundings are 1.4e-2 from the exact result, two runs of them with other orders of summation 1.2e-2 from each other.",
		applies:    running(Free, generate.Released, dtype.F32), limits: absolute(2.5e-2),
	},
	{
		Name: "f16 artifact, free-running", Formula: "rel-L2 ≤ 6e-3, max-abs ≤ 5·6e-3·max|e|",
		Derivation: "Measured likewise: 1.8e-3 from the exact result.",
		applies:    running(Free, generate.Exact, dtype.F16), limits: absolute(6e-3),
	},
	{
		Name: "bf16 artifact, free-running", Formula: "rel-L2 ≤ 4.8e-2, max-abs ≤ 5·4.8e-2·max|e|",
		Derivation: "2³ times the limit of an f16 artifact.",
		applies:    running(Free, generate.Exact, dtype.BF16), limits: absolute(8 * 6e-3),
	},
	{
		Name: "released, 16-bit artifact, free-running", Formula: "rel-L2 ≤ √2·2.5e-2, max-abs ≤ 5·√2·2.5e-2·max|e|",
		Derivation: "The artifact's error is independent of the roundings of the run and no larger: the squares add.",
		applies:    running(Free, generate.Released, dtype.F16, dtype.BF16), limits: absolute(math.Sqrt2 * 2.5e-2),
	},
	{
		Name: "int8 artifact, free-running", Formula: "rel-L2 ≤ 5e-2 (26 dB), max-abs ≤ 5·5e-2·max|e|",
		Derivation: "Measured likewise: 2.2e-2 from the exact result, 2.3e-2 from the released one. The limit is twice that.",
		applies:    codes(Free, generate.FloatActivations), limits: absolute(decibels(26)),
	},
	{
		Name: "int8 artifact and activations, free-running", Formula: "rel-L2 ≤ 0.1 (20 dB), max-abs ≤ 5·0.1·max|e|",
		Derivation: "Measured likewise: 4.1e-2 from the exact result, 4.3e-2 from the released one. The limit is twice that.",
		applies:    codes(Free, generate.Int8Activations), limits: absolute(decibels(20)),
	},
	{
		Name: "exact, block", Formula: "rel-L2 ≤ 1e-3, max-abs ≤ 5·1e-3·max|e|",
		Derivation: "Guidance 7 multiplies the error of a velocity by 13 at most, 16 steps add it up: 1e-5·13·16·½ ≈ 1e-3.",
		applies:    running(Generation, generate.Exact, dtype.F32), limits: absolute(1e-3),
	},
	{
		Name: "released, block", Formula: "rel-L2 ≤ 5e-2, max-abs ≤ 5·5e-2·max|e|",
		Derivation: "The free-running limit twice: a step's width divides what guidance multiplies, and the steps pull the latents to the same place. Uncalibrated without floors.",
		applies:    running(Generation, generate.Released, dtype.F32), limits: absolute(5e-2),
	},
	{
		Name: "f16 artifact, block", Formula: "rel-L2 ≤ 3e-2, max-abs ≤ 5·3e-2·max|e|",
		Derivation: "The free-running limit five times.",
		applies:    running(Generation, generate.Exact, dtype.F16), limits: absolute(3e-2),
	},
	{
		Name: "bf16 artifact, block", Formula: "rel-L2 ≤ 0.24, max-abs ≤ 5·0.24·max|e|",
		Derivation: "2³ times the limit of an f16 artifact.",
		applies:    running(Generation, generate.Exact, dtype.BF16), limits: absolute(8 * 3e-2),
	},
	{
		Name: "released, 16-bit artifact, block", Formula: "rel-L2 ≤ √2·5e-2, max-abs ≤ 5·√2·5e-2·max|e|",
		Derivation: "As free-running: the squares add.",
		applies:    running(Generation, generate.Released, dtype.F16, dtype.BF16), limits: absolute(math.Sqrt2 * 5e-2),
	},
	{
		Name: "int8 artifact, block", Formula: "rel-L2 ≤ 0.10, max-abs ≤ 5·0.10·max|e|",
		Derivation: "The free-running limit twice, as for the released contract.",
		applies:    codes(Generation, generate.FloatActivations), limits: absolute(0.10),
	},
	{
		Name: "int8 artifact and activations, block", Formula: "rel-L2 ≤ 0.15, max-abs ≤ 5·0.15·max|e|",
		Derivation: "The free-running limit one and a half times: a wrong token costs the same however it came about.",
		applies:    codes(Generation, generate.Int8Activations), limits: absolute(0.15),
	},
}

// logitRules judge distributions over tokens and the generated tokens themselves,
// which count as rows of logits of which only the largest is known.
var logitRules = []Rule{
	{
		Name: "logits", Formula: "mean KL ≤ 2e-4, same top-1 ≥ 99.5 % but for ties",
		Derivation: "Of the model's own latents, as every mode but generation decodes them. KL grows with the square of the logits' error.",
		applies:    func(f Facts) bool { return f.Mode == Free && (f.Artifact == dtype.F32 || f.Artifact == dtype.F16) },
		logits:     func(f Facts, l metric.Logits) []Check { return divergences(2e-4, 0.005, l) },
	},
	{
		Name: "logits, bf16 or int8 artifact", Formula: "mean KL ≤ 2e-3, same top-1 ≥ 97.5 % but for ties",
		Derivation: "Ten times the divergence, five times the ids: bfloat16 keeps 8 bits, as int8 does.",
		applies:    func(f Facts) bool { return f.Mode == Free },
		logits:     func(f Facts, l metric.Logits) []Check { return divergences(2e-3, 0.025, l) },
	},
	{
		Name: "tokens", Formula: "every id the same, but for ties",
		Derivation: "Greedy decoding of the same logits. A tie: the golden's logits of both ids differ by no more than the limit of a block allows, 2·tol·rms, or, where that leaves an id, than twice what errors of the operations' own size are measured to grow to in the block's logits.",
		applies:    func(f Facts) bool { return f.Mode == Generation && f.Artifact == dtype.F32 && !f.Kernels },
		logits:     func(f Facts, l metric.Logits) []Check { return []Check{check("share of other ids", others(l), 0)} },
	},
	{
		Name: "tokens, 16-bit or int8 artifact", Formula: "≥ 97.5 % of the ids the same, but for ties",
		Derivation: "As same top-1 of the logits; for kernels of other engines, too. A share of n ids is granted 3 standard errors, one id at least.",
		applies:    func(f Facts) bool { return f.Mode == Generation },
		logits: func(f Facts, l metric.Logits) []Check {
			return []Check{check("share of other ids", others(l), granted(0.025, float64(l.Rows)))}
		},
	},
}

// divergences limits the mean KL, which adds up as squares of errors do: to four
// times what was measured to grow, if anything was.
func divergences(kl, other float64, l metric.Logits) []Check {
	return []Check{check("mean KL", l.KLMean, max(kl, 4*l.Grown)), check("share of other top-1", others(l), granted(other, float64(l.Rows)))}
}

// tieGap is the difference of two golden logits below which either may be the
// largest: both are off by the rel-L2 that the latents' rule allows.
func tieGap(f Facts, known []metric.Reference, grown float64) float64 {
	n, sum := 0, 0.0
	for _, row := range known {
		for _, v := range row.Values {
			n, sum = n+1, sum+v*v
		}
	}
	r := rule(f)
	if r == nil || n == 0 {
		return 0
	}
	tolerance := max(r.limits(f, metric.Summary{})[0].Limit, 2*grown)
	return 2 * tolerance * math.Sqrt(sum/float64(n))
}

func bitEqual(_ Facts, s metric.Summary) []Check {
	return []Check{check("elements differing", float64(s.Differing), 0)}
}

// sums is the tolerance of K summands; a chain without any rounds at least once.
func sums(f Facts) float64 { return 8 * math.Sqrt(math.Max(f.Terms, 1)) * round32 }

// largest bounds the magnitude of the results. Clipped ones show no more than the
// clip: where it leaves most of them alone it is about their rms or more, and sums
// of random sign reach four times that.
func largest(f Facts, s metric.Summary) float64 {
	if f.Clipped {
		return 4 * s.MaxRef
	}
	return s.MaxRef
}

// absolute limits rel-L2 to tol, and the largest error to five times that of the
// largest element: many errors of the same size seldom have one beyond 5 of their
// standard deviations (one in 1.7 million).
func absolute(tol float64) func(Facts, metric.Summary) []Check {
	return func(f Facts, s metric.Summary) []Check {
		return []Check{check("rel-L2", s.RelL2, tol), check("max-abs", s.MaxAbs.Value, 5*tol*largest(f, s))}
	}
}

// decibels returns the rel-L2 of a ratio of signal to noise: −20·log₁₀ of it.
func decibels(db float64) float64 { return math.Pow(10, -db/20) }

// weighted is absolute with a tolerance per weighted module of a chain.
func weighted(tol float64) func(Facts, metric.Summary) []Check {
	return func(f Facts, s metric.Summary) []Check {
		return absolute(tol*math.Sqrt(math.Max(f.Modules, 1))*few(s.N))(f, s)
	}
}

func cancelling(f Facts) metric.Band {
	return metric.Band{Rtol: 4 * round32, Atol: 2 * f.Operand * round32}
}

func everyElement(_ Facts, s metric.Summary) []Check {
	return []Check{check("share of the band", s.Outside.Used.Value, 1)}
}

// sameRoundings judges values that both sides round to bfloat16 from nearly equal
// float32 numbers, and what follows from such values.
func sameRoundings(f Facts, s metric.Summary) []Check {
	differing := granted(0.01, f.Elements)
	checks := []Check{
		check("rel-L2", s.RelL2, math.Sqrt(math.Max(f.Operations, 1)*differing)*ulpBF16),
		check("max-abs", s.MaxAbs.Value, 2*ulpBF16*s.MaxRef),
	}
	if f.Kind != catalog.Chain && f.Type == dtype.BF16 {
		checks = append(checks,
			check("share not bit-equal", share(s.ULP.Over0, s.ULP.N), differing),
			check("share beyond 1 ULP", share(s.ULP.Over1, s.ULP.N), granted(0.001, f.Elements)),
			check("one channel beyond 1 ULP", s.Column.Steady, 0.75))
	}
	return checks
}

// calibrated raises limits to twice the floor: the error that the model's own
// numerics make when the golden's case is run with another attention kernel or
// another batch size. It holds for whole generations, which is what was measured.
func calibrated(checks []Check, floor golden.Floor, s metric.Summary) []Check {
	for i, c := range checks {
		switch c.Metric {
		case "rel-L2":
			checks[i] = check(c.Metric, c.Value, max(c.Limit, 2*floor.RMS/max(s.RMS, 0x1p-126)))
		case "max-abs":
			checks[i] = check(c.Metric, c.Value, max(c.Limit, 2*floor.P999))
		}
	}
	return checks
}

// amplified raises limits to twice what errors of the operations' own size were
// measured to grow to: in the mean of the draws for rel-L2, in any for max-abs.
func amplified(checks []Check, grown, largest float64) []Check {
	raised := make([]Check, len(checks))
	for i, c := range checks {
		limit := max(c.Limit, c.Limit*2*grown/checks[0].Limit)
		if c.Metric == "max-abs" {
			limit = max(limit, 2*largest)
		}
		raised[i] = check(c.Metric, c.Value, limit)
	}
	return raised
}

// measured replaces limits by twice what errors of the operations' own size were
// measured to grow to, but none by less than what needs no measurement.
func measured(checks, unmeasured []Check, grown, largest float64) []Check {
	replaced := make([]Check, len(checks))
	for i, c := range checks {
		limit := 2 * grown
		if c.Metric == "max-abs" {
			limit = 2 * largest
		}
		replaced[i] = check(c.Metric, c.Value, max(unmeasured[i].Limit, limit))
	}
	return replaced
}

// unmeasured are limits within which a chain needs no measurement: those of a
// float32 chain, as if nothing in between fell on the other side of a rounding to
// bfloat16.
func unmeasured(f Facts, s metric.Summary) []Check { return relative(sums)(f, s) }

// ownError is the error of an operation of k terms where it was not seen: that of a
// float32 product, √k·2⁻²⁵ of the rms, and that of weights of the type. Of bfloat16 results that moves few to the
// other side of a rounding boundary: it is √k·2⁻¹⁸ of their spacing for elements of
// the size of the rms, four times that over all; 0.1 % for k = 4096, and granted to all.
func ownError(k float64, weights dtype.Type) *opError {
	rounded := map[dtype.Type]float64{dtype.F16: 2.1e-4, dtype.BF16: 1.7e-3}[weights]
	return &opError{square: math.Max(k, 1)*0x1p-50 + rounded*rounded, count: 1, differing: 0.001, elements: 1}
}
