package verify_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"colakit/formats/tensor"
	"colakit/reference"
	"colakit/reference/generate"
	"colakit/verify"
)

func TestSelectionIsParsed(t *testing.T) {
	ranges := func(s string) (string, error) { r, err := verify.ParseRanges(s); return r.String(), err }
	rows := func(s string) (string, error) { r, err := verify.ParseRows(s); return r.String(), err }
	layers := func(s string) (string, error) {
		l, err := verify.ParseLayers(s)
		return verify.Selection{Layers: l}.String(), err
	}
	ops := func(s string) (string, error) {
		p, err := verify.ParsePatterns(s)
		return verify.Selection{Ops: p}.String(), err
	}
	passes := func(s string) (string, error) {
		p, err := verify.ParsePasses(s)
		return strings.Join(p, ","), err
	}
	tests := []struct {
		name     string
		parse    func(string) (string, error)
		in, want string
		err      string
	}{
		{"ranges", ranges, "0-3, 7", "0-3,7", ""},
		{"no range", ranges, "", "", ""},
		{"backwards", ranges, "3-1", "", "no range"},
		{"negative", ranges, "-1", "", "no range"},
		{"huge", ranges, "99999999999", "", "no range"},
		{"open", ranges, "1,", "", "no range"},
		{"rows", rows, "64@7", "64@7", ""},
		{"rows without a seed", rows, "64", "64@0", ""},
		{"no rows", rows, "0", "", "no number of rows"},
		{"seeded nothing", rows, "@7", "", "no number of rows"},
		{"layers", layers, "3,dit.0-3,decoder,loop", "layers 3,dit.0-3,decoder,loop", ""},
		{"unknown section", layers, "text.3", "", "no section"},
		{"no layer", layers, "dit.x", "", "no layer"},
		{"ops", ops, `msa.*,/q|k,v/, mlp.out`, `ops msa.*,/q|k,v/,mlp.out`, ""},
		{"broken expression", ops, "/(/", "", "missing closing"},
		{"broken glob", ops, "[", "", "no pattern"},
		{"half an expression", ops, "/msa", "", "no pattern"},
		{"passes", passes, "cond,decode", "cond,decode", ""},
		{"unknown pass", passes, "conditional", "", "no pass; known are encode, prefill, cond, uncond, latents, decode, commit"},
	}
	for _, tt := range tests {
		got, err := tt.parse(tt.in)
		if tt.err == "" {
			check(t, err)
		} else if err == nil || !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.err)
			continue
		}
		if err == nil && got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// selection builds one from flags such as "blocks=0".
func selection(t *testing.T, text string) verify.Selection {
	t.Helper()
	var s verify.Selection
	var errs []error
	for _, part := range strings.Fields(text) {
		name, value, _ := strings.Cut(part, "=")
		var err error
		switch name {
		case "blocks":
			s.Blocks, err = verify.ParseRanges(value)
		case "steps":
			s.Steps, err = verify.ParseRanges(value)
		case "samples":
			s.Samples, err = verify.ParseRanges(value)
		case "branches":
			s.Passes, err = verify.ParsePasses(value)
		case "layers":
			s.Layers, err = verify.ParseLayers(value)
		case "ops":
			s.Ops, err = verify.ParsePatterns(value)
		case "rows":
			s.Rows, err = verify.ParseRows(value)
		}
		errs = append(errs, err)
	}
	check(t, errors.Join(errs...))
	return s
}

// calls counts those of an engine.
type calls struct {
	generate.Engine
	Encodes, Prefills, Velocities, Decodes, Commits int
}

func (c *calls) Encode(ctx context.Context, ids [][]int32) ([][]float32, error) {
	c.Encodes++
	return c.Engine.Encode(ctx, ids)
}

func (c *calls) Prefill(ctx context.Context, prefix [][]float32) error {
	c.Prefills++
	return c.Engine.Prefill(ctx, prefix)
}

func (c *calls) Velocity(ctx context.Context, p generate.Pass) (cond, uncond []float32, err error) {
	c.Velocities++
	return c.Engine.Velocity(ctx, p)
}

func (c *calls) Decode(ctx context.Context, p generate.Pass) ([]float32, error) {
	c.Decodes++
	return c.Engine.Decode(ctx, p)
}

func (c *calls) Commit(ctx context.Context, p generate.Pass) error {
	c.Commits++
	return c.Engine.Commit(ctx, p)
}

func (c *calls) total() [5]int {
	return [5]int{c.Encodes, c.Prefills, c.Velocities, c.Decodes, c.Commits}
}

// runWith is run with options of its own.
func (m *model) runWith(t testing.TB, ctx context.Context, name string, wrap func(generate.Engine) generate.Engine, o verify.Options) (*verify.Report, error) {
	t.Helper()
	b := bundle(t, name)
	contract, err := generate.ParseContract(b.Info.Contract)
	check(t, err)
	engine, err := reference.New(m, m.cfg, reference.Options{Contract: contract})
	check(t, err)
	defer engine.Close()
	if wrap != nil {
		engine = wrap(engine)
	}
	o.Name, o.Artifact, o.Text = name, m.artifact(), m.text
	o.Engine = verify.EngineID{Name: "reference", Precision: "float32"}
	return verify.Run(ctx, engine, b, o)
}

// What a selection compares has the figures of a run that compares everything, and
// the engine computes no more than that needs.
func TestSelectionsCompareTheSame(t *testing.T) {
	m := tiny(t)
	full := map[string]map[string]*verify.Comparison{}
	for _, name := range []string{"exact-ops", "released-layers"} {
		full[name] = map[string]*verify.Comparison{}
		for _, c := range m.run(t, name, nil, reference.Options{}).Comparisons {
			full[name][string(c.Mode)+c.Name] = c
		}
	}
	tests := []struct {
		bundle, selection string
		calls             [5]int // encode, prefill, velocity, decode, commit: isolated, free-running, in generation
		tokens            int
	}{
		{"exact-ops", "branches=encode", [5]int{2}, 0},
		{"exact-ops", "branches=prefill", [5]int{0, 2}, 0},
		{"exact-ops", "blocks=0 steps=0", [5]int{1, 3, 4, 1}, 0},
		{"exact-ops", "branches=latents", [5]int{1, 2, 2 * 4, 2, 2}, 0},
		{"exact-ops", "blocks=1 branches=uncond steps=1 layers=dit.0-1 ops=msa.*", [5]int{0, 2, 2, 0, 2}, 0},
		{"exact-ops", "branches=decode", [5]int{1, 3, 6, 3 + 2*2, 2}, 36},
		{"exact-ops", "layers=decoder.1 blocks=0", [5]int{0, 2, 0, 2}, 0},
		{"exact-ops", "ops=/mlp\\.(act|out)$/ branches=commit", [5]int{0, 2, 0, 0, 4}, 0},
		{"released-layers", "ops=msa.out", [5]int{0, 2, 2 * 3 * 16, 0, 2 * 3}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.bundle+" "+tt.selection, func(t *testing.T) {
			sel := selection(t, tt.selection)
			counted := &calls{}
			r, err := m.runWith(t, t.Context(), tt.bundle, func(e generate.Engine) generate.Engine { counted.Engine = e; return counted }, verify.Options{Select: sel})
			check(t, err)
			if r.Verdict != verify.Pass || len(r.Comparisons) == 0 || r.Selection == "" || r.Coverage.NotCompared["not selected"] != r.Coverage.Taps-r.Coverage.Compared {
				t.Errorf("%s: %s; %q, coverage %+v", r.Verdict, r.Reason, r.Selection, r.Coverage)
			}
			if got := counted.total(); got != tt.calls {
				t.Errorf("calls of encode, prefill, velocity, decode, commit: %v, want %v", got, tt.calls)
			}
			if r.Tokens.Compared != tt.tokens {
				t.Errorf("%d tokens compared, want %d", r.Tokens.Compared, tt.tokens)
			}
			seen := map[string]bool{}
			for _, c := range r.Comparisons {
				place, err := verify.PlaceOf(c.Name)
				check(t, err)
				if !sel.Selects(place) {
					t.Errorf("%s was compared", c.Name)
				}
				want := full[tt.bundle][string(c.Mode)+c.Name]
				if want == nil {
					t.Errorf("%s %s is in no full run", c.Mode, c.Name)
					continue
				}
				if diff := cmp.Diff(figures(want), figures(c)); diff != "" {
					t.Errorf("%s %s (-full +selected):\n%s", c.Mode, c.Name, diff)
				}
				seen[string(c.Mode)+c.Name] = true
			}
			for key, c := range full[tt.bundle] {
				if place, err := verify.PlaceOf(c.Name); err == nil && sel.Selects(place) && !seen[key] {
					t.Errorf("%s %s was not compared", c.Mode, c.Name)
				}
			}
		})
	}
}

func figures(c *verify.Comparison) any {
	return []any{c.Rule, c.Problem, c.Share, c.Checks, c.Index, c.Summary.N, c.Summary.RelL2, c.Summary.MaxAbs, c.Summary.ULP}
}

// Samples and rows narrow down what is compared of each value.
func TestSamplesAndRows(t *testing.T) {
	m := tiny(t)
	count := func(text string) (*verify.Report, map[string]int64) {
		r, err := m.runWith(t, t.Context(), "exact-ops", nil, verify.Options{Select: selection(t, text)})
		check(t, err)
		if r.Verdict != verify.Pass {
			t.Errorf("%s: %s: %s", text, r.Verdict, r.Reason)
		}
		n := map[string]int64{}
		for _, c := range r.Comparisons {
			if c.Mode == verify.Isolated {
				n[c.Name] = c.Summary.N
			}
		}
		return r, n
	}
	all, whole := count("")
	_, each := count("samples=0")
	for i := 1; i < all.Bundle.Samples; i++ {
		_, more := count([]string{"", "samples=1", "samples=2"}[i])
		for name, n := range more {
			each[name] += n
		}
	}
	for name, n := range each {
		if whole[name] != n && !strings.HasSuffix(name, ".scores") { // a sample's scores stand beside zeros of the others
			t.Errorf("%s: %d elements of single samples, %d of all", name, n, whole[name])
		}
	}
	_, some := count("rows=2@7")
	if n := some["b00/s00/cond/dit.blocks.0.msa.out"]; n != 2*128 {
		t.Errorf("%d elements of 2 rows, want 256", n)
	}
	if n := some["b01/s00/cond/dit.blocks.0.msa.scores"]; n != 4*2*32 {
		t.Errorf("%d elements of 2 rows of scores, want 256", n)
	}
}

// A fault in one sample is seen where that sample's rows are compared, and named by
// its place in the whole value.
func TestAFaultInARowThatIsNotCompared(t *testing.T) {
	m := tiny(t)
	spoilt := func(tap generate.Tap) generate.Tap {
		return &filter{Forcing: tap.(generate.Forcing), at: "b00/s00/cond/dit.blocks.1.mlp.out", view: func(v tensor.View) tensor.View {
			values, _ := v.Float32s()
			values = append([]float32(nil), values...)
			values[5*v.Shape[1]+3] += 1 // row 5: the second of sample 1
			return tensor.FromFloat32s(v.Name, v.Shape, values)
		}}
	}
	for samples, want := range map[string]verify.Verdict{"0": verify.Pass, "1": verify.Fail, "2": verify.Pass} {
		wrap := func(e generate.Engine) generate.Engine { return &wrapped{Engine: e, tap: spoilt} }
		r, err := m.runWith(t, t.Context(), "exact-ops", wrap, verify.Options{Select: selection(t, "ops=mlp.out samples="+samples)})
		check(t, err)
		if r.Verdict != want {
			t.Errorf("sample %s: %s: %s", samples, r.Verdict, r.Reason)
		}
		if d := r.Divergence; d != nil && !cmp.Equal(d.Index, []int{5, 3}) {
			t.Errorf("sample %s: at %v, want [5 3]", samples, d.Index)
		}
	}
}

func TestNothingSelected(t *testing.T) {
	m := tiny(t)
	for _, text := range []string{"ops=msa.outt", "blocks=0 branches=prefill", "samples=9", "layers=dit.17", "blocks=2 steps=1"} {
		_, err := m.runWith(t, t.Context(), "exact-ops", nil, verify.Options{Select: selection(t, text)})
		if err == nil || !strings.Contains(err.Error(), "nothing is selected") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// halting is an engine that ends something when a step begins.
type halting struct {
	generate.Engine
	block, step int
	do          func()
}

func (h *halting) Velocity(ctx context.Context, p generate.Pass) (cond, uncond []float32, err error) {
	if p.Block == h.block && p.Step == h.step {
		h.do()
	}
	return h.Engine.Velocity(ctx, p)
}

func TestStoppedRuns(t *testing.T) {
	tests := []struct {
		name    string
		fault   bool
		o       verify.Options
		cancel  bool
		verdict verify.Verdict
		stopped string
	}{
		{"out of time", false, verify.Options{MaxTime: time.Nanosecond}, false, verify.Incomplete, "out of time"},
		{"interrupted", false, verify.Options{}, true, verify.Incomplete, "interrupted"},
		{"interrupted after a failure", true, verify.Options{}, true, verify.Fail, "interrupted"},
		{"at the first failure", true, verify.Options{FailFast: true}, false, verify.Fail, "after the first failure"},
		{"no failure", false, verify.Options{FailFast: true}, false, verify.Pass, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := tiny(t)
			if tt.fault {
				transpose("dit.blocks.2.msa.proj_out.weight")(t, m)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			wrap := func(e generate.Engine) generate.Engine { return e }
			if tt.cancel {
				wrap = func(e generate.Engine) generate.Engine { return &halting{Engine: e, block: 1, step: 1, do: cancel} }
			}
			r, err := m.runWith(t, ctx, "exact-ops", wrap, tt.o)
			if tt.cancel != errors.Is(err, context.Canceled) || !tt.cancel && err != nil {
				t.Fatalf("error %v", err)
			}
			if r.Verdict != tt.verdict || r.Stopped != tt.stopped {
				t.Errorf("%s, stopped %q: %s; want %s, %q", r.Verdict, r.Stopped, r.Reason, tt.verdict, tt.stopped)
			}
			if len(r.Coverage.Missing)+len(r.Coverage.Extra) > 0 {
				t.Errorf("missing %v, extra %v", r.Coverage.Missing, r.Coverage.Extra)
			}
			if left := r.Coverage.Taps - r.Coverage.Compared; left != r.Coverage.NotCompared[tt.stopped] {
				t.Errorf("%d taps not compared, %v counted", left, r.Coverage.NotCompared)
			}
			if tt.stopped != "" && r.Coverage.Unfinished[verify.Generation] == 0 {
				t.Errorf("unfinished %v", r.Coverage.Unfinished)
			}
			if tt.fault && r.Divergence.Op != "dit.blocks.2.msa.out" {
				t.Errorf("diverges at %s", r.Divergence.Op)
			}
		})
	}
}
