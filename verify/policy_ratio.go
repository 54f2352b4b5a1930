package verify

import (
	"math"

	"colakit/formats/dtype"
	"colakit/reference/generate"
	"colakit/verify/catalog"
	"colakit/verify/metric"
)

// This file continues the policy: how the candidate's error may compare with the
// golden's own, both against the exact value.

// chance is the number of standard deviations that a ratio is granted. Whatever the
// errors' distribution, equal ones are off by more in less than 2·e^(−chance²/2) of
// the cases (Hoeffding), 7·10⁻⁶; normal ones in 6·10⁻⁷.
const chance = 5

const chanceDerivation = "S is one standard deviation of R² by chance: two sides that round at the same places and only add in another order could be exchanged for each other, element by element, " +
	"so that each c = (a−x)² − (e−x)² is as likely as −c, and Σc has the variance Σc². Rows that repeat each other count once. 5·S are granted: equal errors are beyond that in less than 10⁻⁵ of the cases, " +
	"whatever their distribution (Hoeffding). A rounding that is missing everywhere shows beyond about 40 elements; in smaller values the share of bit-equal elements shows it."

// ratioRules judge the ratio of the errors; the first that applies does.
var ratioRules = []Rule{
	{
		Name: "ratio, other kernels", Formula: "R_rms² ≤ 2² + 5·S, R_max ≤ 10; S = √Σc² / Σ(e−x)²",
		Derivation: "Kernels that round at other places than the golden may be off by twice its own error, single elements by ten times. A smaller error is welcome: fewer roundings are legitimate there. " + chanceDerivation,
		applies:    func(f Facts) bool { return f.Kernels && f.Mode != Generation },
		ratio: func(f Facts, r metric.Ratio) []Check {
			return []Check{atMost(2, f, r), check("R_max", r.Max, 10)}
		},
	},
	{
		Name: "ratio, released", Formula: "0.9² − 5·S ≤ R_rms² ≤ 1.1² + 5·S; S = √Σc² / Σ(e−x)²",
		Derivation: "Measured for 24 layers of the released widths: the same roundings give 1.00, a float32 residual stream 0.39, int8 weights 1.55. Below 0.9 a rounding is missing, above 1.1 the candidate is lossy or wrong. " + chanceDerivation,
		applies:    func(f Facts) bool { return f.Mode == Isolated },
		ratio:      func(f Facts, r metric.Ratio) []Check { return append(atLeast(0.9, f, r), atMost(1.1, f, r)) },
	},
	{
		Name: "ratio, released, free-running", Formula: "R_rms² ≤ 1.3² + 5·S; S = √Σc² / Σ(e−x)²",
		Derivation: "Errors that add up over layers are two draws of the same size: measured likewise, R is 1.00 for 24 layers, and 1.55 for int8 weights. " + chanceDerivation,
		applies:    func(f Facts) bool { return f.Mode == Free },
		ratio:      func(f Facts, r metric.Ratio) []Check { return []Check{atMost(1.3, f, r)} },
	},
}

// unjudgedRatio says why a ratio is shown and not judged; "" where it is judged.
func unjudgedRatio(f Facts, r metric.Ratio) string {
	switch {
	case f.Mode == Generation:
		return "behind steps that were not recorded"
	case r.N == 0:
		return "no finite elements"
	case r.Golden == 0:
		return "the golden is exact there"
	case f.Contract == generate.Exact:
		return "float32 on both sides: errors of two orders of summation"
	case f.Artifact != dtype.F32:
		return "the artifact's weights are rounded"
	case r.GoldenRelative() <= noise32(f):
		return "the golden's error is no more than float32 makes"
	case f.Fused && !f.Kernels:
		return "the golden's attention is a fused kernel, which rounds elsewhere"
	}
	return ""
}

// noise32 is the relative error that the float32 arithmetic of an operation may
// make by the rules for float32 values: an error of that size is none of bfloat16.
func noise32(f Facts) float64 {
	t := 8 * math.Sqrt(math.Max(f.Terms, 1)) * round32 * (1 + f.Offset.RMS/2)
	switch f.Kind {
	case catalog.Rotation, catalog.Chain:
		t += 2 * f.Position * round32
	case catalog.Sinusoid:
		t += 2 * math.Sqrt2 * f.Timestep * round32
	}
	return t
}

// atMost limits R_rms from above, atLeast from below by its inverse: no check at
// all where chance alone reaches 0.
func atMost(limit float64, f Facts, r metric.Ratio) Check {
	return aroundOne("R_rms", r.RMS, math.Sqrt(limit*limit+allowance(f, r)))
}

func atLeast(limit float64, f Facts, r metric.Ratio) []Check {
	square := limit*limit - allowance(f, r)
	if square <= 0 {
		return nil
	}
	return []Check{aroundOne("1/R_rms", math.Min(1/r.RMS, math.MaxFloat64), 1/math.Sqrt(square))}
}

// allowance is what R² is granted for chance.
func allowance(f Facts, r metric.Ratio) float64 {
	repeated := math.Sqrt(math.Max(float64(r.N)/math.Max(f.Elements, 1), 1))
	return math.Min(chance*r.Spread*repeated, math.MaxFloat32)
}

// aroundOne is a check whose figure is 1 at best.
func aroundOne(name string, value, limit float64) Check {
	c := check(name, value, limit)
	if c.Share < mostShare {
		c.Share = math.Max(0, (value-1)/(limit-1))
	}
	return c
}
