package verify

import (
	"fmt"
	"math"
	"slices"

	"colakit/formats/dtype"
	"colakit/reference/generate"
	"colakit/verify/catalog"
	"colakit/verify/metric"
)

// What is off by less than the roundings of a pass, or by less than a few elements can
// tell, still shows in many passes: a timestep that is not rounded changes a layer by
// less than bfloat16 does, in every step by as much as that step's time is rounded. So
// the ratios of an operation, and its bits, are judged over all passes of a stage, too.

// poolRule judges the ratio of the errors over the passes of a stage.
var poolRule = Rule{
	Name: "ratio, released, over all passes", Formula: "0.97² − 5·S ≤ R_rms² ≤ 1.03² + 5·S over all passes of a stage; S = √Σ(Σ|Sᵢ|·gᵢ)² / Σgᵢ, gᵢ = Σ(e−x)² of a pass, inner sums over the branches of a step",
	Derivation: "Errors of many passes average out what chance does to one: measured for 96 passes of a layer, the same roundings give 0.998 to 1.001 and timesteps that are not rounded 0.92 to 0.98 at S = 0.01. " +
		"Both branches of a step may be the same numbers, so that they count as one.",
	applies: func(f Facts) bool {
		return f.Mode == Isolated && !f.Kernels && f.Contract == generate.Released
	},
	ratio: func(f Facts, r metric.Ratio) []Check { return append(atLeast(0.97, f, r), atMost(1.03, f, r)) },
}

// bitsRule judges the bits of an operation over the passes of a stage.
var bitsRule = Rule{
	Name: "released, over all passes", Formula: "≥ 99 % bit-equal for |e| ≥ 2⁻¹⁰ over all passes of a stage",
	Derivation: "As for a single value, which is granted 3 standard errors of its few elements; here of half of all, for both branches of a step may be the same numbers.",
	applies: func(f Facts) bool {
		return f.Mode == Isolated && !f.Kernels && !f.Fused && f.Contract == generate.Released && f.Artifact == dtype.F32 && f.Type == dtype.BF16 && f.Kind != catalog.Chain && f.Kind != catalog.Copy
	},
	limits: func(f Facts, s metric.Summary) []Check {
		return []Check{check("share not bit-equal", share(s.ULP.Over0, s.ULP.N), granted(0.01, f.Elements/2))}
	},
}

// judgeBits fails the values of an operation that differ in more bits over all passes
// than roundings make, where each has too few elements to tell.
func (s *session) judgeBits() {
	for _, p := range s.pooled(func(c *Comparison) bool { return c.Rule != "" && bitsRule.applies(c.facts) }) {
		var all metric.Summary
		f := p.passes[0].facts
		f.Elements = 0
		for _, c := range p.passes {
			all.ULP.Over0, all.ULP.N = all.ULP.Over0+c.Summary.ULP.Over0, all.ULP.N+c.Summary.ULP.N
			f.Elements += math.Min(c.facts.Elements, float64(c.Summary.ULP.N))
		}
		d := s.pool(&bitsRule, p.passes, bitsRule.limits(f, all), phaseIsolated)
		if failure(d.checks) == "" {
			continue
		}
		for _, c := range p.passes {
			if own := share(c.Summary.ULP.Over0, c.Summary.ULP.N); !c.Failed() && own > 0.01 {
				c.fail(phaseIsolated, fmt.Sprintf("over %d passes %s (here %s)", len(p.passes), failure(d.checks), short(own)))
			}
		}
	}
}

// pool is the ratio of an operation over the passes of a stage.
type pool struct {
	passes []*Comparison
	facts  Facts
	ratio  metric.Ratio
}

// judgePools judges the operations whose passes are all right by themselves, as
// judgeRatios does single values.
func (s *session) judgePools() {
	for _, p := range s.pooled(func(c *Comparison) bool { return c.judgedRatio() && poolRule.applies(c.facts) }) {
		p.add()
		d := s.pool(&poolRule, p.passes, poolRule.ratio(p.facts, p.ratio), phaseRatio)
		if failure(d.checks) == "" {
			continue
		}
		text := fmt.Sprintf("R_rms %s over %d passes, 0.97 to 1.03 for the same roundings", short(p.ratio.RMS), len(p.passes))
		for _, c := range p.passes {
			if c.Failed() || !beyond(c.Ratio.RMS, p.ratio.RMS) {
				continue
			}
			c.fail(phaseRatio, fmt.Sprintf("%s (here %s; its error against the exact value %s, the golden's %s)%s",
				text, short(c.Ratio.RMS), short(c.Ratio.CandidateRelative()), short(c.Ratio.GoldenRelative()), meaning(p.ratio.RMS)))
		}
	}
}

// pool notes a judgement over several passes.
func (s *session) pool(r *Rule, passes []*Comparison, base []Check, p phase) distribution {
	subject := fmt.Sprintf("%s in %d passes of %v", passes[0].op.Path, len(passes), passes[0].site.Stage)
	d := distribution{r, subject, base, s.override(r.Name).of(base), p}
	s.pools = append(s.pools, d)
	return d
}

// beyond reports whether a pass is off in the direction that all are off in.
func beyond(one, all float64) bool {
	if all < 1 {
		return one < 0.97
	}
	return one > 1.03
}

// pooled groups comparisons of the isolated mode by operation and stage, where there
// is more than one pass.
func (s *session) pooled(in func(*Comparison) bool) []*pool {
	type key struct {
		op    string
		stage generate.Stage
	}
	at := map[key]*pool{}
	var all []*pool
	for _, c := range s.inOrder() {
		if c.Mode != Isolated || !in(c) {
			continue
		}
		k := key{c.op.Path, c.site.Stage}
		if at[k] == nil {
			at[k] = &pool{facts: c.facts}
			all = append(all, at[k])
		}
		at[k].passes = append(at[k].passes, c)
	}
	return slices.DeleteFunc(all, func(p *pool) bool { return len(p.passes) < 2 })
}

// add adds up the passes.
func (p *pool) add() {
	var n, golden, candidate, exact float64
	spreads := map[pass]float64{}
	for _, c := range p.passes {
		r, elements := c.Ratio.Ratio, float64(c.Ratio.N)
		own := r.Golden * r.Golden * elements
		n, golden, candidate, exact = n+elements, golden+own, candidate+r.Candidate*r.Candidate*elements, exact+r.Exact*r.Exact*elements
		spreads[passOf(c.site)] += allowance(c.facts, r) / chance * own
		p.ratio.GoldenMax, p.ratio.CandidateMax = max(p.ratio.GoldenMax, r.GoldenMax), max(p.ratio.CandidateMax, r.CandidateMax)
	}
	square := 0.0
	for _, c := range p.passes {
		if at := passOf(c.site); spreads[at] > 0 {
			square += spreads[at] * spreads[at]
			spreads[at] = 0 // once
		}
	}
	p.facts.Elements = n
	p.ratio.N = int64(n)
	p.ratio.Golden, p.ratio.Candidate, p.ratio.Exact = math.Sqrt(golden/n), math.Sqrt(candidate/n), math.Sqrt(exact/n)
	p.ratio.RMS, p.ratio.Max = math.Sqrt(candidate/golden), p.ratio.CandidateMax/p.ratio.GoldenMax
	p.ratio.Spread = math.Sqrt(square) / golden
}
