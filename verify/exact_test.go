package verify_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
	"colakit/reference"
	"colakit/reference/generate"
	"colakit/verify"
)

// precise is an engine that rounds nothing but the timesteps, whatever contract it
// says it runs: kernels that keep float32 everywhere.
type precise struct {
	wrapped
	kernels bool
}

func (p *precise) Model() generate.Model {
	m := p.Engine.Model()
	m.Contract, m.Kernels = generate.Released, p.kernels
	return m
}

// cast rounds what a tap is shown to the types given.
type cast struct {
	generate.Forcing
	types map[string]dtype.Type
}

func (c *cast) Record(s generate.Site, v tensor.View) error {
	typ, ok := c.types[s.String()]
	if !ok || v.Type == typ {
		return c.Forcing.Record(s, v)
	}
	values, err := v.Float32s()
	if err != nil {
		return err
	}
	v.Type, v.Data = typ, make([]byte, len(values)*typ.Size())
	if err := dtype.FromFloat32s(v.Data, values, typ); err != nil {
		return err
	}
	return c.Forcing.Record(s, v)
}

func roundedTime(s generate.Stage, p generate.Pass) generate.Pass {
	for i := range p.T {
		p.T[i] = dtype.RoundBF16(p.T[i])
	}
	return p
}

// ratios holds an engine against a bundle with the exact reference beside it.
func (m *model) ratios(t *testing.T, name string, e generate.Engine) *verify.Report {
	t.Helper()
	exact, err := reference.New(m, m.cfg, reference.Options{Float64: true, Workers: 1})
	check(t, err)
	r, err := verify.Run(context.Background(), e, bundle(t, name), verify.Options{
		Name: name, Artifact: m.artifact(), Engine: verify.EngineID{Name: "reference", Precision: "float32"}, Exact: exact,
	})
	check(t, err)
	return r
}

func (m *model) engine(t *testing.T, c generate.Contract) generate.Engine {
	t.Helper()
	e, err := reference.New(m, m.cfg, reference.Options{Contract: c, Workers: 1})
	check(t, err)
	return e
}

func TestRatiosOfTheReference(t *testing.T) {
	m := tiny(t)
	for name, judged := range map[string]int{"released-ops": 800, "released-layers": 1400, "exact-ops": 0} {
		contract, _, _ := strings.Cut(name, "-")
		c, err := generate.ParseContract(contract)
		check(t, err)
		r := m.ratios(t, name, m.engine(t, c))
		if r.Verdict != verify.Pass {
			t.Fatalf("%s: %s", name, r.Reason)
		}
		n, measured := 0, 0
		for _, c := range r.Comparisons {
			switch {
			case c.Ratio == nil:
				continue
			case c.Mode == verify.Isolated && c.Ratio.Rule != "":
				n++
			}
			measured++
		}
		if n < judged || judged == 0 && n > 0 || measured < 1000 {
			t.Errorf("%s: %d ratios are judged, %d measured", name, n, measured)
		}
		for _, row := range r.Ratios {
			if row.Rule != "" && (row.Better > 0 || row.Worse > 0 || row.Median < 0.99 || row.Median > 1.01) {
				t.Errorf("%s: %+v", name, row)
			}
		}
	}
}

// TestBetterThanGolden: float32 kernels are nearer to the exact values than the
// golden. That is welcome in an engine that says so, and a missing rounding in one
// that claims to compute as the reference does.
func TestBetterThanGolden(t *testing.T) {
	m := tiny(t)
	e := &precise{wrapped: wrapped{Engine: m.engine(t, generate.Exact), pass: roundedTime}, kernels: true}
	r := m.ratios(t, "released-layers", e)
	if r.Verdict != verify.Pass {
		t.Fatalf("kernels: %s", r.Reason)
	}
	i := slices.IndexFunc(r.Ratios, func(row verify.RatioRow) bool { return row.Mode == verify.Isolated && row.Rule != "" })
	if i < 0 || r.Ratios[i].Better < r.Ratios[i].Compared/2 || r.Ratios[i].Median > 0.5 {
		t.Errorf("ratios %+v", r.Ratios)
	}
}

// TestMissingRoundingsShowInTheRatio: values that are rounded at last, but not on
// the way, keep the limits of a chain; their ratios do not keep theirs.
func TestMissingRoundingsShowInTheRatio(t *testing.T) {
	m := tiny(t)
	b := bundle(t, "released-layers")
	types := map[string]dtype.Type{}
	for _, tap := range b.Info.Taps {
		if tap.RunType == "bf16" {
			types[tap.Name] = dtype.BF16
		}
	}
	e := &precise{wrapped: wrapped{Engine: m.engine(t, generate.Exact), pass: roundedTime, tap: func(tap generate.Tap) generate.Tap { return &cast{tap.(generate.Forcing), types} }}}
	r := m.ratios(t, "released-layers", e)
	if r.Verdict != verify.Fail {
		t.Fatalf("%s: %s", r.Verdict, r.Reason)
	}
	alone := 0
	for _, f := range r.Findings {
		if f.Phase == "ratio" {
			alone += f.Failed
		}
	}
	if alone < 100 {
		t.Errorf("%d values fail by their ratios alone: %+v", alone, r.Findings)
	}
}
