package reference

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/internal/synth"
	"colakit/reference/generate"
)

// tabled is a source with an AdaLN table in place of what it replaces.
type tabled struct {
	tensor.Source
	cfg   hf.DiTConfig
	table []tensor.View
}

func (s tabled) Descs() (all []tensor.Desc) {
	for _, v := range s.table {
		all = append(all, v.Desc)
	}
	replaced := s.cfg.Replaced()
	return append(all, slices.DeleteFunc(s.Source.Descs(), func(d tensor.Desc) bool { return replaced[d.Name] })...)
}

func (s tabled) Read(name string) (tensor.View, error) {
	for _, v := range s.table {
		if v.Name == name {
			return v, nil
		}
	}
	if s.cfg.Replaced()[name] {
		return tensor.View{}, tensor.ErrNotFound
	}
	return s.Source.Read(name)
}

// withTable computes the table of a source.
func withTable(t testing.TB, src tensor.Source, cfg hf.Config, steps int, c generate.Contract) tabled {
	t.Helper()
	s := hf.Schedule{T: 1000, Steps: steps, Contract: c.String()}
	views, err := Modulations(context.Background(), src, cfg.DiT, s, 2)
	if err != nil {
		t.Fatal(err)
	}
	return tabled{src, cfg.DiT, views}
}

// An engine with the table computes what the one with the weights does, bit for bit,
// whatever type these are stored in.
func TestTableEqualsWeights(t *testing.T) {
	for name, cfg := range variants() {
		for _, contract := range bothContracts {
			for _, stored := range []dtype.Type{dtype.F32, dtype.F16, dtype.BF16} {
				t.Run(name+"/"+contract.String()+"/"+stored.String(), func(t *testing.T) {
					src, ids := synth.NewSource(cfg, stored, 1), samples(cfg, 2, 0)
					full, err := New(src, cfg, Options{Contract: contract})
					if err != nil {
						t.Fatal(err)
					}
					e, err := New(withTable(t, src, cfg, 16, contract), cfg, Options{Contract: contract})
					if err != nil {
						t.Fatal(err)
					}
					if diff := cmp.Diff(exercise(t, full, cfg, ids, 0, 1), exercise(t, e, cfg, ids, 0, 1)); diff != "" {
						t.Errorf("(-weights +table):\n%s", diff)
					}
				})
			}
		}
	}
}

// Matrices that are too large to be widened as a whole give the same bits.
func TestTableOfLargeMatrices(t *testing.T) {
	cfg := small()
	cfg.DiT.TxtDim, cfg.DiT.EmbDim, cfg.DiT.NumLayers = 768, 768, 1
	for _, contract := range bothContracts {
		src := synth.NewSource(cfg, dtype.F16, 1)
		l := &loader[float32]{src: src, workers: 1, released: contract == generate.Released}
		d := newDiT(l, cfg.DiT)
		if l.err != nil || d.TxtOutAda.stored == nil {
			t.Fatal("the last AdaLN is not as large as it should be", l.err)
		}
		l = &loader[float32]{src: withTable(t, src, cfg, 4, contract), workers: 1, released: l.released, schedule: &hf.Schedule{T: 1000, Steps: 4}}
		table := newTabled(l, cfg.DiT)
		if l.err != nil {
			t.Fatal(l.err)
		}
		p, at := newTestPass(2, l.released), []float32{500, 0}
		got, want := table.condition(p, at), d.cond.condition(p, at)
		if p.err != nil || !slices.Equal(got.out.scale.row(0), want.out.scale.row(0)) || !slices.Equal(got.blocks[0].mlpOut.row(1), want.blocks[0].mlpOut.row(1)) {
			t.Errorf("%v: the table has other bits than the weights give (%v)", contract, p.err)
		}
	}
}

// Modulations that were read are shown like those that were computed; the embedding
// behind them is not.
func TestTapsOfATable(t *testing.T) {
	cfg := small()
	src := synth.NewSource(cfg, dtype.F32, 1)
	e, err := New(withTable(t, src, cfg, 16, generate.Exact), cfg, Options{})
	if err != nil {
		t.Fatal(err)
	}
	full := newTestEngine(t, cfg, Options{})
	var seen, want recorder
	for engine, r := range map[generate.Engine]*recorder{e: &seen, full: &want} {
		engine.Observe(r)
		exercise(t, engine, cfg, samples(cfg, 1), 0)
	}
	computed := slices.DeleteFunc(want.names, func(name string) bool { return strings.Contains(name, "dit.emb") })
	if diff := cmp.Diff(computed, seen.names); diff != "" || len(computed) == 0 {
		t.Errorf("other values are shown (-weights +table):\n%s", diff)
	}
	for _, name := range seen.names {
		if !slices.Equal(seen.views[name].Data, want.views[name].Data) {
			t.Errorf("%s differs", name)
		}
	}
}

func TestTableRefusals(t *testing.T) {
	cfg := small()
	src := synth.NewSource(cfg, dtype.F32, 1)
	table := withTable(t, src, cfg, 4, generate.Released)
	_, err := New(table, cfg, Options{})
	if err == nil || errors.Is(err, tensor.ErrDamaged) || !strings.Contains(err.Error(), "T = 1000 in 4 steps under the released contract, and this run is under the exact contract") {
		t.Errorf("another contract: error %v", err)
	}
	e, err := New(table, cfg, Options{Contract: generate.Released})
	if err != nil {
		t.Fatal(err)
	}
	if s := e.Model().Schedule; s == nil || *s != (hf.Schedule{T: 1000, Steps: 4, Contract: "released"}) {
		t.Errorf("the engine's schedule is %v", s)
	}
	if _, err := tryExercise(t.Context(), e, cfg, samples(cfg, 1), 0); err == nil || !strings.Contains(err.Error(), "timestep 936 is none of the 5") {
		t.Errorf("a timestep between those of the table: error %v", err)
	}
	for name, change := range map[string]func([]tensor.View){
		"no modulations": func(v []tensor.View) { v[1].Name = "x" },
		"other timesteps": func(v []tensor.View) {
			v[0] = tensor.FromFloat32s(v[0].Name, v[0].Shape, []float32{1000, 700, 500, 250, 0})
		},
		"another model's": func(v []tensor.View) { v[1].Shape = tensor.Shape{5, 20}; v[1].Data = v[1].Data[:200] },
		"cut modulations": func(v []tensor.View) { v[1].Data = v[1].Data[:100] },
		"another type":    func(v []tensor.View) { v[1].Type = dtype.F16 },
	} {
		damaged := tabled{src, cfg.DiT, slices.Clone(table.table)}
		change(damaged.table)
		if _, err := New(damaged, cfg, Options{Contract: generate.Released}); !errors.Is(err, tensor.ErrDamaged) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestModulationsFail(t *testing.T) {
	cfg := small()
	src := synth.NewSource(cfg, dtype.F32, 1)
	exact := hf.Schedule{T: 1000, Steps: 4, Contract: "exact"}
	if _, err := Modulations(t.Context(), src, cfg.DiT, hf.Schedule{T: 1000, Contract: "exact"}, 1); err == nil {
		t.Error("a table for no steps")
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Modulations(stopped, src, cfg.DiT, exact, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v after an interrupt", err)
	}
	if _, err := Modulations(t.Context(), withTable(t, src, cfg, 4, generate.Exact), cfg.DiT, exact, 1); !errors.Is(err, tensor.ErrDamaged) {
		t.Errorf("without weights: error %v", err)
	}
}
