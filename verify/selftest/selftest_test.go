package selftest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/golden"
	"colakit/reference"
	"colakit/reference/generate"
	"colakit/verify"
)

// options run the reference.
func options() Options {
	build := func(src tensor.Source, cfg hf.Config, s Setting) (generate.Engine, error) {
		return reference.New(src, cfg, reference.Options{Contract: s.Contract, Activations: s.Activations, Float64: s.Float64, Workers: s.Workers})
	}
	return Options{
		Engine: "reference", Build: build, Reference: build,
		Modulations: func(ctx context.Context, w tensor.Source, cfg hf.DiTConfig, s hf.Schedule) ([]tensor.View, error) {
			return reference.Modulations(ctx, w, cfg, s, 1)
		},
	}
}

// named returns cases of the catalogue.
func named(t *testing.T, names ...string) []Case {
	t.Helper()
	cases := slices.DeleteFunc(Catalogue(), func(c Case) bool { return !slices.Contains(names, c.Name) })
	if len(cases) != len(names) {
		t.Fatalf("%d cases have one of the names %q", len(cases), names)
	}
	return cases
}

// TestRepresentatives runs a case of every group and of every kind of injection; the
// program runs all of them.
func TestRepresentatives(t *testing.T) {
	names := []string{
		"transposed-matrix", "nan-weight", "missing-tensor", "int8-groups-shifted", "flipped-bit-in-artifact", "flipped-bit-in-bundle",
		"commit-twice", "pinned-rows-not-pinned", "guidance-in-float32", "dit-rope-half-split", "cache-off-by-one", "missing-rounding",
		"extra-tap", "vae-configuration-misread", "timestep-not-rounded-within", "text-without-special-tokens",
		"int8-g32-artifact", "batch-of-one", "fused-kernels", "float64-layers",
	}
	if testing.Short() {
		names = names[:3]
	}
	r, err := Run(t.Context(), named(t, names...), options())
	if err != nil {
		t.Fatal(err)
	}
	for _, result := range r.Results {
		if !result.Right || result.Skipped != "" {
			t.Errorf("%s: %s%s\n    %s at %s\n    said %s", result.Name, result.Problem, result.Skipped, result.Verdict, result.Located, result.Said)
		}
	}
	if r.Right != !t.Failed() {
		t.Errorf("right: %v", r.Right)
	}
}

// TestCatalogue holds the catalogue to its own rules.
func TestCatalogue(t *testing.T) {
	faults, faultless := 0, 0
	seen := map[string]bool{}
	var bundles []string
	for _, b := range golden.TinyBundles() {
		bundles = append(bundles, b.Name)
	}
	for _, c := range Catalogue() {
		if seen[c.Name] || c.Name != strings.ToLower(c.Name) && c.Name != "timestep-over-T" || strings.Contains(c.Name, " ") {
			t.Errorf("%q is no name, or used twice", c.Name)
		}
		seen[c.Name] = true
		if c.Imitates == "" || c.Group == "" || !slices.Contains(bundles, c.Bundle) {
			t.Errorf("%s: %+v", c.Name, c)
		}
		passes := c.Want.Verdict == verify.Pass
		if passes != (c.Group == Faultless) {
			t.Errorf("%s: %s is to end with %q", c.Name, c.Group, c.Want.Verdict)
		}
		if c.Group == Faultless {
			faultless++
			continue
		}
		faults++
		if c.Want.Op == "" && c.Want.Error == "" && len(c.Want.Says) == 0 {
			t.Errorf("%s: it is not said what must be named", c.Name)
		}
	}
	if faults < 40 || faultless < 10 {
		t.Errorf("%d faults and %d faultless variations", faults, faultless)
	}
}

// TestMisjudgementsAreSeen keeps the judge from calling everything right: each case
// is run with a want that it does not fulfil.
func TestMisjudgementsAreSeen(t *testing.T) {
	good := named(t, "bias-element")[0]
	change := func(edit func(*Case)) Case {
		c := good
		edit(&c)
		return c
	}
	tests := []struct {
		c    Case
		says string
	}{
		{change(func(c *Case) { c.Inject = Injection{} }), "verdict PASS, wanted FAIL"},
		{change(func(c *Case) { c.Want.Op = "dit.blocks.2.mlp.out" }), "located at dit.blocks.1.mlp.out, wanted dit.blocks.2.mlp.out"},
		{change(func(c *Case) { c.Want.Phase = "tokens" }), `the first finding is of phase "isolated", wanted "tokens"`},
		{change(func(c *Case) { c.Want.At = "b00/" }), "the first tap is not one of b00/"},
		{change(func(c *Case) { c.Want.Tensor = dit(2).MLPOut.Bias() }), "does not name dit.blocks.2.mlp.proj_out.bias"},
		{change(func(c *Case) { c.Want.Says = []string{"a poem"} }), `does not say "a poem"`},
		{change(func(c *Case) { c.Want = Want{Verdict: verify.Pass} }), "verdict FAIL, wanted PASS"},
		{change(func(c *Case) { c.Want = Want{Error: "missing"} }), `a report, wanted an error that says "missing"`},
		{change(func(c *Case) { c.Inject = removed(dit(1).MLPOut.Bias()) }), "is missing"},
		{change(func(c *Case) { c.Inject, c.Want = removed(dit(1).MLPOut.Bias()), Want{Error: "is missing"} }), "damage or not: true, wanted false"},
		{change(func(c *Case) { c.Inject, c.Want = element("dit.nothing", 0, plus(1)), Want{Error: "dit.nothing"} }), "the injection failed"},
		{change(func(c *Case) { c.Inject, c.Want = spoils(Values{At: at("nowhere"), Spoil: turned}), pass }), "nothing was spoilt"},
	}
	var cases []Case
	for _, tt := range tests {
		cases = append(cases, tt.c)
	}
	r, err := Run(t.Context(), cases, options())
	if err != nil {
		t.Fatal(err)
	}
	for i, result := range r.Results {
		if result.Right || !strings.Contains(result.Problem, tests[i].says) {
			t.Errorf("case %d: right %v, problem %q, want %q", i, result.Right, result.Problem, tests[i].says)
		}
	}
	if r.Right || r.Faults.Right != 0 {
		t.Errorf("%+v", r)
	}
	var table bytes.Buffer
	if err := r.WriteTable(&table, 100); err != nil || strings.Count(table.String(), "WRONG") != len(tests) {
		t.Errorf("%v\n%s", err, table.String())
	}
}

// TestSkipped: what an engine has no setting for is counted, and neither right nor
// wrong.
func TestSkipped(t *testing.T) {
	o := options()
	build := o.Build
	o.Build = func(src tensor.Source, cfg hf.Config, s Setting) (generate.Engine, error) {
		if s.Float64 {
			return nil, errors.ErrUnsupported
		}
		return build(src, cfg, s)
	}
	r, err := Run(t.Context(), named(t, "float64", "missing-tensor"), o)
	if err != nil || !r.Right || r.Faultless != (Count{Cases: 1, Skipped: 1}) || r.Faults != (Count{Cases: 1, Right: 1}) {
		t.Errorf("%v: %+v", err, r)
	}
	if !strings.HasSuffix(r.String(), "; 1 are not for this engine") {
		t.Errorf("%s", r)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, named(t, "as-it-is"), options()); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
