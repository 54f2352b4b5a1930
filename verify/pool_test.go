package verify

import (
	"strings"
	"testing"

	"colakit/formats/dtype"
	"colakit/reference/generate"
	"colakit/verify/catalog"
	"colakit/verify/metric"
)

// passesOf returns n passes of an operation in both branches; ratio gives the R_rms of
// a step.
func passesOf(n int, change func(*Facts), ratio func(step int) float64) []*Comparison {
	op := &catalog.Op{Path: "dit.blocks.0.msa.out", Layer: 0}
	var list []*Comparison
	for i := range n {
		f := Facts{Mode: Isolated, Contract: generate.Released, Artifact: dtype.F32, Kind: catalog.Chain, Type: dtype.BF16, Elements: 512}
		change(&f)
		r := ratio(i / 2)
		site := generate.Site{Stage: generate.Denoise, Step: i / 2, Branch: []string{generate.Cond, generate.Uncond}[i%2], Path: op.Path}
		c := &Comparison{Name: site.String(), Mode: Isolated, Rule: "released chain", site: site, op: op, order: i, facts: f}
		c.Ratio = newRatio(f, metric.Ratio{N: 512, Golden: 1e-2, Candidate: r * 1e-2, Exact: 1, GoldenMax: 0.1, CandidateMax: 0.1, RMS: r, Max: 1, Spread: 0.06})
		list = append(list, c)
	}
	return list
}

// TestPools: what no pass shows by itself is seen in all of them.
func TestPools(t *testing.T) {
	same := func(*Facts) {}
	odd := func(step int) float64 { return 1 - 0.14*float64(step%2) } // as the timestep's rounding is there or not
	tests := []struct {
		name   string
		n      int
		change func(*Facts)
		ratio  func(int) float64
		failed int
	}{
		{"every other step is off", 96, same, odd, 48},
		{"off upwards", 96, same, func(step int) float64 { return 1 + 0.14*float64(step%2) }, 48},
		{"few passes", 8, same, odd, 0},
		{"within 3 %", 96, same, func(int) float64 { return 0.98 }, 0},
		{"chance", 96, same, func(step int) float64 { return 0.9 + 0.2*float64(step%2) }, 0},
		{"one pass", 1, same, func(int) float64 { return 0.93 }, 0},
		{"kernels", 96, func(f *Facts) { f.Kernels = true }, odd, 0},
		{"int8", 96, func(f *Facts) { f.Artifact = dtype.I8 }, odd, 0},
		{"no rules", 96, func(f *Facts) { f.Unjudged = true }, odd, 0},
	}
	for _, tt := range tests {
		s := &session{comparisons: passesOf(tt.n, tt.change, tt.ratio)}
		s.judgeRatios(Isolated)
		if n := count(s.comparisons, (*Comparison).Failed); n != tt.failed {
			t.Errorf("%s: %d passes fail, want %d: %+v", tt.name, n, tt.failed, s.pools)
		}
		for _, c := range s.comparisons {
			if c.Failed() && (c.phase != phaseRatio || !strings.Contains(c.Problem, "over 96 passes")) {
				t.Errorf("%s: %v, %s", tt.name, c.phase, c.Problem)
			}
		}
	}
}

// TestBitsOverAllPasses: a few elements that differ in every pass are many in all.
func TestBitsOverAllPasses(t *testing.T) {
	for share, failed := range map[float64]int{0: 0, 0.05: 0, 0.25: 96} {
		product := func(f *Facts) { f.Kind, f.Elements = catalog.Product, 16 }
		s := &session{comparisons: passesOf(96, product, func(int) float64 { return 1 })}
		for i, c := range s.comparisons {
			c.Summary.ULP = metric.ULP{N: 16, Over0: int64(16 * share)}
			if share == 0.05 && i%10 == 0 {
				c.Summary.ULP.Over0 = 1 // 0.6 % of all
			}
		}
		s.judgeRatios(Isolated)
		if n := count(s.comparisons, (*Comparison).Failed); n != failed {
			t.Errorf("%v of each: %d fail, want %d: %+v", share, n, failed, s.pools)
		}
	}
}

// TestClearest: a diagnosis looks at the pass that shows a ratio most.
func TestClearest(t *testing.T) {
	s := &session{comparisons: passesOf(96, func(*Facts) {}, func(step int) float64 { return 1 - 0.004*float64(step) })}
	s.judgeRatios(Isolated)
	first := s.firstFailure()
	if first == nil || s.clearest(first).site.Step != 47 {
		t.Errorf("first %v, clearest %v", first, s.clearest(first))
	}
}
