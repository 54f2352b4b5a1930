// Package verifytest makes up reports for the tests of what shows them: small, but
// with something in every field, and with names that try to break out.
package verifytest

import (
	"fmt"
	"math"

	"colakit/verify"
	"colakit/verify/metric"
	"colakit/verify/operation"
)

// Hostile is the name of a bundle that no page may run, and no table may evaluate.
const Hostile = `=<script>alert("x")</script>&'co\'`

// Shape is the size of a made-up run.
type Shape struct{ Layers, Blocks, Steps int }

// Small is the shape of Suite's reports.
var Small = Shape{Layers: 2, Blocks: 2, Steps: 3}

// Suite returns a report that passes, one that fails, one that was stopped, and a bundle
// that was left out.
func Suite() *verify.Suite {
	s := verify.NewSuite(Passing(Small), Failing(Small), Stopped(Shape{Layers: 1, Blocks: 1, Steps: 1}))
	s.Incompatible = []verify.Incompatible{{Bundle: "other-steps", Reason: "its schedule has 8 steps, the AdaLN table is for 3"}}
	return s
}

// Passing returns a report without a failure.
func Passing(s Shape) *verify.Report {
	r := base("quiet", s)
	r.Verdict, r.Reason = verify.Pass, "96 values, each within its tolerance; 50 % of the tightest was used"
	r.Notes = []string{"uncalibrated: the bundle holds no floors"}
	r.Tokens = verify.Tokens{Compared: 12, Match: 12, Samples: 1, TextSame: 1}
	finish(r, s)
	return r
}

// Stopped returns a report of a part of a run that ended early, under limits that were
// replaced.
func Stopped(s Shape) *verify.Report {
	r := Passing(s)
	r.Bundle.Name, r.Verdict, r.Reason = "stopped", verify.Incomplete, "out of time: 40 of 96 selected taps compared"
	r.Selection, r.Stopped = "blocks 0-1, ops msa.*", "out of time"
	r.Overrides = []verify.OverrideUse{{Override: verify.Override{Rule: "float32 product", Factor: 4, Reason: "<i>older</i> library"}, Compared: 9, Spared: 1}}
	r.Policy[0].Overridden = true
	r.Coverage.Unfinished = map[verify.Mode]int{verify.Free: 12}
	last := r.Comparisons[len(r.Comparisons)-1]
	last.Open = "rel-L2 0.5 > 0.01"
	return r
}

// Failing returns a report whose attention of the last layer is wrong in the
// conditional branch from the second block on, under a hostile name.
func Failing(s Shape) *verify.Report {
	r := base(Hostile, s)
	for _, c := range r.Comparisons {
		p, err := verify.PlaceOf(c.Name)
		if err == nil && p.Pass == "cond" && p.Block > 0 && (p.Layer == s.Layers-1 && p.Op == "msa.out" || c.Mode == verify.Free && p.Op == "velocity") {
			fail(c)
		}
	}
	finish(r, s)
	r.Verdict = verify.Fail
	r.Divergence = divergence(s)
	r.Reason = r.Divergence.Name + ": fed the golden's inputs, " + r.Divergence.Problem
	r.Findings = []verify.Finding{
		{Phase: "isolated", Subject: r.Divergence.Op, Text: r.Divergence.Name + ": " + r.Divergence.Problem, Failed: s.Steps * (s.Blocks - 1), Compared: s.Steps * s.Blocks},
		{Phase: "free-running", Subject: "branch outputs, velocities and logits", Text: "first b01/s00/cond/dit.velocity: rel-L2 0.5 > 0.01", Failed: 2 * s.Steps, Compared: 48, ExplainedBy: r.Divergence.Op},
		{Phase: "tokens", Subject: "generated tokens", Text: "other tokens 0.25 > 0", Failed: 1, Compared: 1, ExplainedBy: r.Divergence.Op},
	}
	r.Notes = []string{"the artifact was not made from the bundle's checkpoint: <b>x</b>.safetensors had another SHA-256"}
	r.Tokens = verify.Tokens{Compared: 12, Match: 7, TieFlip: 1, Wrong: 1, Drift: 3, Samples: 1, First: []verify.TokenFault{
		{Sample: 0, Block: 0, Position: 3, Got: 17, Want: 4, Kind: "tie-flip", Gap: 1e-4},
		{Sample: 0, Block: 1, Position: 1, Got: 9, Want: 8, Kind: "drift", Gap: 2.5},
	}}
	r.Coverage.Missing = []string{"b01/decode/vae.decoder.<i>odd</i>"}
	return r
}

func divergence(s Shape) *verify.Divergence {
	op := fmt.Sprintf("dit.blocks.%d.msa.out", s.Layers-1)
	module := fmt.Sprintf("dit.blocks.%d.msa.proj_out", s.Layers-1)
	c := comparison("b01/s00/cond/"+op, verify.Isolated, 1)
	fail(c)
	return &verify.Divergence{
		Name: c.Name, Op: op, Mode: c.Mode, Problem: c.Problem, Unit: []string{op}, Inputs: []string{op[:len(op)-3] + "attn"},
		Tensors: []string{module + ".weight [128, 128] f32", module + ".bias [128] f32"}, Suspects: []string{module + ".weight [128, 128] f32"},
		Summary: c.Summary, Index: []int{3, 5}, Pattern: []string{
			fmt.Sprintf("this layer alone of %d, in %d of %d passes: its weights, or the tensors that were mapped to it", s.Layers, s.Steps, s.Steps*s.Blocks),
			"only in the conditional branch: the cache, or the positions behind it", "only from block 1 on: the cache",
		},
		Diagnosis: &verify.Diagnosis{
			Origin: "weights", Finding: "The engine is right: the artifact's weights are not the golden's.", Candidate: 1e-7, Golden: 0.5, Tried: 12, LeftOut: 1,
			Matches: []verify.Hypothesis{{Alternative: operation.Alternative{Name: "transposed", Topic: "mapping", Says: "<u>" + module + ".weight</u> is read transposed", Part: op}, Side: "golden", RelL2: 2e-7, Apart: 0.5}},
		},
	}
}

func fail(c *verify.Comparison) {
	c.Summary.RelL2, c.Summary.Cosine = 0.5, 0.875
	c.Checks[0].Value, c.Checks[0].Share = 0.5, 0.5/c.Checks[0].Limit
	c.Share = c.Checks[0].Share
	c.Problem = fmt.Sprintf("rel-L2 0.5 > %g", c.Checks[0].Limit)
}

func base(name string, s Shape) *verify.Report {
	limit := s.Blocks
	r := &verify.Report{
		Schema: verify.Schema, Version: verify.SchemaVersion, Seconds: 1.25,
		Bundle: verify.BundleID{
			Name: name, Contract: "exact", Device: "cpu", Attention: "naive", Level: "ops", Samples: 1, Blocks: s.Blocks + 1, Steps: s.Steps,
			BlockLimit: &limit, Floors: 3, Environment: map[string]any{"torch": "2.15.0", "threads": 1.0, "packages": map[string]any{"numpy": "2.3"}},
		},
		Engine:   verify.EngineID{Name: "reference", Precision: "float32", Contract: "exact", Activations: "float", Environment: map[string]any{"go": "go1.25.0", "processors": 2.0}},
		Artifact: verify.Artifact{Path: "model.cola", Types: map[string]int{"f32": 4, "bf16": 12}, Sources: map[string]string{"cola_dit/model.safetensors": "ab12"}},
		Policy: []verify.RuleUse{{
			Name: "float32 product", Formula: "rel-L2 ≤ 8·√K·2⁻²⁴", Derivation: "Rounding errors of K sums are independent.", Share: 0.5,
			Worst: "encode/vae.latents", Check: verify.Check{Metric: "rel-L2", Value: 5e-3, Limit: 1e-2, Share: 0.5},
		}},
		Coverage: verify.Coverage{Elements: 123456, NotRecorded: map[string]int{"not at level ops": 5, "beyond the block limit": 40}, NotCompared: map[string]int{"fused in this engine": 3}, Unjudged: 7},
		Logits: []verify.LogitRow{
			{Mode: verify.Free, Block: 0, Logits: metric.Logits{Rows: 6, KLMean: 1e-6, KLStdErr: 1e-7, KLP99: 2e-6, KLMax: 3e-6, DeltaP: 1e-4, SameTop1: 6, DeltaPMean: 5e-5, DeltaPStdErr: 1e-5, Top1Share: 1}},
			{Mode: verify.Generation, Block: 1, Logits: metric.Logits{Rows: 6, KLMean: 1e-2, KLStdErr: 1e-3, KLP99: 2e-2, KLMax: 3e-2, DeltaP: 0.125, SameTop1: 4, DeltaPMean: 0.05, DeltaPStdErr: 0.01, Top1Share: 4. / 6, Top1StdErr: 0.19, Ties: 1}},
		},
	}
	for _, m := range []verify.Mode{verify.Isolated, verify.Free, verify.Generation} {
		r.Comparisons = append(r.Comparisons, run(m, s)...)
	}
	r.Comparisons[0].Ratio = &verify.Ratio{Ratio: metric.Ratio{N: 256, Golden: 1e-3, Candidate: 1.02e-3, Exact: 1, RMS: 1.02, Max: 1.5}, Verdict: verify.SameError, Rule: "ratio of errors"}
	r.Ratios = []verify.RatioRow{
		{Mode: verify.Isolated, Rule: "ratio of errors", Compared: 40, Better: 2, Least: 0.8, Median: 1, Most: 1.05, Max: 1.5, Lowest: "encode/vae.latents", Highest: r.Comparisons[0].Name},
		{Mode: verify.Isolated, Why: "the golden is <exact>", Compared: 4, Worse: 1, Least: 1, Median: 2, Most: math.MaxFloat64, Max: math.MaxFloat64, Lowest: "encode/vae.latents", Highest: "encode/vae.latents"},
	}
	return r
}

// run makes up the comparisons of one mode.
func run(m verify.Mode, s Shape) []*verify.Comparison {
	var list []*verify.Comparison
	add := func(growth float64, format string, args ...any) {
		list = append(list, comparison(fmt.Sprintf(format, args...), m, growth))
	}
	if m != verify.Generation {
		add(1, "encode/vae.encoder.blocks.0.attn.out")
		add(1, "encode/vae.latents")
		add(1, "prefill/dit.blocks.0.msa.k")
	}
	for b := range s.Blocks {
		for t := range s.Steps {
			for _, branch := range []string{"cond", "uncond"} {
				for l := range s.Layers {
					for _, op := range []string{"msa.out", "mlp.out"} {
						if m != verify.Generation {
							add(float64(1+l), "b%02d/s%02d/%s/dit.blocks.%d.%s", b, t, branch, l, op)
						}
					}
				}
				add(float64(1+s.Layers), "b%02d/s%02d/%s/dit.velocity", b, t, branch)
			}
			add(float64(2+t+b), "b%02d/s%02d/z_next", b, t)
		}
		if m != verify.Generation {
			add(1, "b%02d/decode/vae.decoder.logits", b)
			add(1, "b%02d/commit/dit.blocks.0.mlp.out", b)
		}
	}
	return list
}

// comparison makes one up whose rel-L2 is growth·10⁻⁴, growth·10⁻³ if it carries
// errors on.
func comparison(name string, m verify.Mode, growth float64) *verify.Comparison {
	rel := growth * 1e-4
	if m != verify.Isolated {
		rel = growth * 1e-3
	}
	c := &verify.Comparison{Name: name, Mode: m, Kind: "product", Rule: "float32 product", Index: []int{0, 1}, Calibrated: m == verify.Generation}
	c.Checks = []verify.Check{{Metric: "rel-L2", Value: rel, Limit: 0.01, Share: rel / 0.01}, {Metric: "max-abs", Value: rel, Limit: 1, Share: rel}}
	c.Share = rel / 0.01
	c.Summary = metric.Summary{
		N: 256, Finite: 256, RelL2: rel, Cosine: 1 - rel*rel/2, Bias: rel / 8, RMS: 1, MaxRef: 3, Differing: 99,
		MaxAbs: metric.Extreme{Value: 4 * rel, At: 1, Got: 1 + 4*rel, Want: 1},
		ULP:    metric.ULP{N: 250, P50: 0, P99: 3, P999: 9, Max: 11, Over0: 99, Over1: 20, Over2: 9, Over4: 4},
		Profile: metric.Profile{Distances: []int64{151, 79, 11, 5, 4}, Magnitudes: []metric.Magnitude{
			{Exponent: -20, N: 6, RMS: rel / 64, Max: rel / 16}, {Exponent: -2, N: 150, RMS: rel / 4, Max: rel}, {Exponent: 0, N: 100, RMS: rel, Max: 4 * rel},
		}},
	}
	return c
}

// finish fills in what sums the comparisons up.
func finish(r *verify.Report, s Shape) {
	r.Coverage.Compared = len(r.Comparisons)
	r.Coverage.Taps = r.Coverage.Compared + len(r.Coverage.Missing)
	r.Policy[0].Compared = len(r.Comparisons)
	for _, c := range r.Comparisons {
		if c.Failed() {
			r.Policy[0].Failed++
			r.Policy[0].Worst, r.Policy[0].Share, r.Policy[0].Check = c.Name, math.Max(r.Policy[0].Share, c.Share), c.Checks[0]
		}
	}
	r.Layers, r.Passes, r.Profiles = layers(r), passes(r, s), profiles(r)
	r.Guidance, r.Growth = guidance(s), growth(s)
}
