package engine

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/formats/hf"
	"colakit/kernels/emulated"
	"colakit/reference/generate"
)

// TestSchedule: an engine that is made for a schedule gives the tokens of one that is
// made for any, without the memory of AdaLN's weights, and refuses another schedule.
func TestSchedule(t *testing.T) {
	file, cfg := model(t)
	for _, c := range []generate.Contract{generate.Exact, generate.Released} {
		s := &hf.Schedule{T: 1000, Steps: 3, Contract: c.String()}
		any, made := open(t, Options{Contract: c}), open(t, Options{Contract: c, Schedule: s})
		if d := cmp.Diff(tokens(t, any, []int{1}, nil), tokens(t, made, []int{1}, nil)); d != "" {
			t.Errorf("%v: %s", c, d)
		}
		weights := int64(0)
		for _, e := range cfg.DiT.Inventory() {
			if n, err := e.Shape.Elements(); err == nil && (e.Class == hf.AdaLN || e.Class == hf.TimestepEmbedding) && len(e.Shape) == 2 {
				weights += 2 * int64(n)
			}
		}
		before, _ := PlanOf(any)
		after, _ := PlanOf(made)
		if saved := before.Weights - after.Weights; saved < weights || saved > weights*11/10 || after.Modulations >= before.Modulations {
			t.Errorf("%v: %d bytes less of weights; the matrices have %d\n%v\n%v", c, saved, weights, before, after)
		}
		if err := made.Model().CheckSchedule(1000, 3); err != nil {
			t.Error(err)
		}
		if err := made.Model().CheckSchedule(1000, 4); err == nil || !strings.Contains(err.Error(), "made for T = 1000 in 3 steps") || !strings.Contains(err.Error(), "in 4 steps") {
			t.Errorf("error %v", err)
		}
	}
	d, err := emulated.Open(emulated.Options{})
	if err != nil {
		t.Skip("not run: ", err)
	}
	e, err := New(file, cfg, d, Options{Schedule: &hf.Schedule{T: 1000, Steps: cfg.DiT.EmbDim, Contract: "exact"}})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if e.Model().Schedule != nil {
		t.Error("lines that take more than the weights were computed")
	}
}
