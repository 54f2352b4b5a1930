package convert

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/golden"
	"colakit/internal/synth"
	"colakit/quantize"
	"colakit/reference"
)

var exact16, released16 = hf.Schedule{T: 1000, Steps: 16, Contract: "exact"}, hf.Schedule{T: 1000, Steps: 16, Contract: "released"}

// tableOf are options for an artifact with an AdaLN table.
func tableOf(src string, s quantize.Scheme, schedule hf.Schedule) Options {
	return Options{Source: src, Type: s, AdaTable: &schedule, Modulations: modulations}
}

func modulations(ctx context.Context, src tensor.Source, cfg hf.DiTConfig, s hf.Schedule) ([]tensor.View, error) {
	return reference.Modulations(ctx, src, cfg, s, 1)
}

// TestAdaTable: the table is what an engine with the weights of the f32 artifact
// computes, whatever the other tensors are stored as; the plan says what it replaces
// and the size to the byte, and the artifact is sound.
func TestAdaTable(t *testing.T) {
	src := small(t)
	full := openArtifact(t, convertTo(t, src, quantize.F32, ExecuteOptions{}))
	meta, err := full.Meta()
	if err != nil {
		t.Fatal(err)
	}
	config, err := hf.ParseDiTConfig(meta.DiTConfig)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []hf.Schedule{exact16, released16} {
		want, err := modulations(t.Context(), full, config, s)
		if err != nil {
			t.Fatal(err)
		}
		for _, scheme := range []quantize.Scheme{quantize.F32, quantize.BF16, quantize.Int8} {
			o := tableOf(src, scheme, s)
			c := prepare(t, o)
			if len(c.Dropped) != len(config.Replaced()) || c.Dropped[0].Reason != "replaced by the AdaLN table" || c.Dropped[0].Bytes != 32*256*4 {
				t.Errorf("%d tensors are dropped, such as %+v", len(c.Dropped), c.Dropped[0])
			}
			path := convertWith(t, o)
			f := openArtifact(t, path)
			if f.Size() != c.OutputBytes {
				t.Errorf("%d bytes, %d were planned", f.Size(), c.OutputBytes)
			}
			for _, w := range want {
				got, err := f.Read(w.Name)
				if err != nil || got.Type != w.Type || !bytes.Equal(got.Data, w.Data) {
					t.Errorf("%v, %v: %s is not what the weights give (%v)", s, scheme, w.Name, err)
				}
			}
			if _, err := f.Read(c.Dropped[0].Tensor); !errors.Is(err, tensor.ErrNotFound) {
				t.Errorf("%s is there all the same: %v", c.Dropped[0].Tensor, err)
			}
			r, err := Check(t.Context(), path, CheckOptions{})
			if err != nil || r.Err() != nil || len(r.Notes) == 0 || !strings.Contains(r.Notes[0].Text, s.String()) {
				t.Errorf("check: %v, %v, notes %v", err, r.Err(), r.Notes)
			}
		}
	}
}

// Weights are rounded before the table is computed as Transformers rounds them on
// loading, and the hash is that of the checkpoint's own bytes.
func TestAdaTableOfLoadedWeights(t *testing.T) {
	src := small(t)
	setKeys(t, filepath.Join(src, "cola_dlm", "cola_dit", "config.json"), map[string]any{"dtype": "bfloat16"})
	o := tableOf(src, quantize.F32, exact16)
	o.Modulations = func(ctx context.Context, w tensor.Source, cfg hf.DiTConfig, s hf.Schedule) ([]tensor.View, error) {
		for _, d := range w.Descs() {
			v, err := w.Read(d.Name)
			if err != nil || d.Type != dtype.BF16 || v.Type != dtype.BF16 || !v.Shape.Equal(d.Shape) {
				t.Errorf("%s: %v %v, %v", d.Name, v.Type, v.Shape, err)
			}
		}
		return modulations(ctx, w, cfg, s)
	}
	loaded := openArtifact(t, convertWith(t, o))
	rounded := openArtifact(t, convertWith(t, Options{Source: src, Type: quantize.F32}))
	meta, err := rounded.Meta()
	if err != nil {
		t.Fatal(err)
	}
	config, err := hf.ParseDiTConfig(meta.DiTConfig)
	if err != nil {
		t.Fatal(err)
	}
	want, err := modulations(t.Context(), rounded, config, exact16)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := loaded.Read(hf.AdaModulations); err != nil || !bytes.Equal(got.Data, want[1].Data) {
		t.Errorf("the table is not that of the rounded weights: %v", err)
	}
	if a, b := tableSource(t, loaded.Name()), tableSource(t, convertWith(t, tableOf(small(t), quantize.Int8, released16))); a != b || a.Tensors != len(config.Replaced()) {
		t.Errorf("the same weights have the hashes %v and %v", a, b)
	}
	other := small(t)
	editTensor(t, ditWeights(other), "blocks.1.ada.mlp_in.1.bias", setValue(3, 0.5))
	if a, b := tableSource(t, loaded.Name()), tableSource(t, convertWith(t, tableOf(other, quantize.F32, exact16))); a.Weights == b.Weights {
		t.Error("other weights have the same hash")
	}
}

// setKeys changes keys of a JSON file.
func setKeys(t *testing.T, path string, change map[string]any) {
	t.Helper()
	var keys map[string]any
	if err := json.Unmarshal(readFile(t, path), &keys); err != nil {
		t.Fatal(err)
	}
	for k, v := range change {
		keys[k] = v
	}
	raw, err := json.Marshal(keys)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, raw)
}

// tableSource returns what an artifact says of the weights of its table.
func tableSource(t *testing.T, path string) TableSource {
	t.Helper()
	i, err := Inspect(path)
	if err != nil || i.Provenance.AdaTable == nil {
		t.Fatal("no provenance of the table", err)
	}
	return *i.Provenance.AdaTable
}

// The same bytes come of any number of jobs, after any interruption, and of the
// plan as a recipe.
func TestAdaTableIsDeterministic(t *testing.T) {
	o := tableOf(checkpointDir(t, smallDiT, wideVAE, synth.Options{Type: dtype.F32, ShardSize: 9 << 20}), quantize.F16, released16)
	path := convertWith(t, o)
	want := readFile(t, path)
	one := filepath.Join(t.TempDir(), "one.cola")
	if _, err := prepare(t, o).Execute(t.Context(), one, ExecuteOptions{Jobs: 1}); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(3, 4))
	resumed := filepath.Join(t.TempDir(), "resumed.cola")
	for errors.Is(interrupt(t, o, resumed, 1+r.IntN(20)), context.Canceled) {
		if _, err := os.Stat(resumed); err == nil {
			t.Fatal("interrupted, and complete")
		}
	}
	recipe, err := ReadRecipe(path)
	if err != nil {
		t.Fatal(err)
	}
	again := convertWith(t, Options{Source: o.Source, Recipe: recipe, Modulations: modulations})
	for name, path := range map[string]string{"one job": one, "resumed": resumed, "a recipe": again} {
		if !bytes.Equal(want, readFile(t, path)) {
			t.Errorf("%s: other bytes", name)
		}
	}
}

// A journal is of one plan, and so of one schedule.
func TestAdaTableOfAnotherScheduleDoesNotResume(t *testing.T) {
	o := tableOf(small(t), quantize.F16, released16)
	out := interrupted(t, o)
	o.AdaTable = &exact16
	_, err := prepare(t, o).Execute(t.Context(), out, ExecuteOptions{Resume: true})
	wantError(t, err, "another plan")
}

func TestAdaTableRefusals(t *testing.T) {
	src := small(t)
	for name, c := range map[string]struct {
		change func(*Options)
		want   string
	}{
		"nothing computes it": {func(o *Options) { o.Modulations = nil }, "nothing is given that computes it"},
		"no steps":            {func(o *Options) { o.AdaTable = &hf.Schedule{T: 1000, Contract: "exact"} }, "0 steps"},
		"a rule for what is replaced": {func(o *Options) {
			rule, err := quantize.ParseRule(`\.ada\.=f32`)
			if err != nil {
				t.Fatal(err)
			}
			o.Rules = []quantize.Rule{rule}
		}, "decides about no tensor"},
	} {
		o := tableOf(src, quantize.F32, exact16)
		c.change(&o)
		if _, err := Prepare(o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
	recipe := prepare(t, tableOf(src, quantize.F32, released16)).Plan
	recipe.Steps = slices.Clone(recipe.Steps)
	recipe.Steps[1].To = quantize.F16
	_, err := Prepare(Options{Source: src, Recipe: &recipe, Modulations: modulations})
	wantError(t, err, hf.AdaModulations, "is bf16")
}

// What is computed is held against the plan, and what it is computed from must be
// sound.
func TestAdaTableFails(t *testing.T) {
	nan := func(t *testing.T, src string) {
		editTensor(t, ditWeights(src), "blocks.0.ada.msa_in.1.weight", setValue(7, float32(math.NaN())))
	}
	large := func(t *testing.T, src string) {
		editTensor(t, ditWeights(src), "emb_in.proj_hid.bias", setValue(7, 100))
		editTensor(t, ditWeights(src), "emb_in.proj_out.weight", setValue(7, 3e38))
	}
	for name, c := range map[string]struct {
		damage  func(t *testing.T, src string)
		compute Modulations
		want    []string
	}{
		"NaN in a weight": {nan, modulations, []string{"blocks.0.ada.msa_in.1.weight", "1 NaN", "[0, 7]"}},
		"a sum too large": {large, modulations, []string{hf.AdaModulations, "is NaN"}},
		"an error": {nil, func(context.Context, tensor.Source, hf.DiTConfig, hf.Schedule) ([]tensor.View, error) {
			return nil, errors.New("out of order")
		}, []string{"out of order"}},
		"nothing": {nil, func(context.Context, tensor.Source, hf.DiTConfig, hf.Schedule) ([]tensor.View, error) {
			return nil, nil
		}, []string{"without tensor"}},
		"another schedule's": {nil, func(ctx context.Context, w tensor.Source, cfg hf.DiTConfig, s hf.Schedule) ([]tensor.View, error) {
			s.Steps++
			return modulations(ctx, w, cfg, s)
		}, []string{"not as planned"}},
	} {
		src, dir := small(t), t.TempDir()
		if c.damage != nil {
			c.damage(t, src)
		}
		o := tableOf(src, quantize.F32, exact16)
		o.Modulations = c.compute
		_, err := prepare(t, o).Execute(t.Context(), filepath.Join(dir, "out.cola"), ExecuteOptions{})
		if errors.Is(err, tensor.ErrDamaged) != (c.damage != nil) {
			t.Errorf("%s: damage or not: %v", name, err)
		}
		wantError(t, err, c.want...)
		wantOnly(t, dir)
	}
}

// Every listing shows the table and what it stands for.
func TestAdaTableIsShown(t *testing.T) {
	o := tableOf(small(t), quantize.F32, exact16)
	path := convertWith(t, o)
	var plan, inspection, explanation bytes.Buffer
	p, err := prepare(t, o).Preview(t.Context(), PreviewOptions{})
	if err == nil {
		err = p.WriteText(&plan)
	}
	if err != nil {
		t.Fatal(err)
	}
	i, err := Inspect(path)
	if err == nil {
		err = i.WriteText(&inspection)
	}
	if err != nil {
		t.Fatal(err)
	}
	e, err := Explain(path, hf.AdaModulations)
	if err == nil {
		err = e.WriteText(&explanation)
	}
	if err != nil {
		t.Fatal(err)
	}
	hash := tableSource(t, path).Weights.String()
	for text, parts := range map[string][]string{
		plan.String():        {"dropped  24 tensors", "replaced by the AdaLN table", "2 computed as f32", "for T = 1000 in 16 steps under the exact contract"},
		inspection.String():  {"AdaLN      table for T = 1000 in 16 steps under the exact contract", "24 tensors of weights, blake3 " + hash},
		explanation.String(): {"class      adaln-table", "table for T = 1000", hash, "compute to f32"},
	} {
		for _, part := range parts {
			if !strings.Contains(text, part) {
				t.Errorf("lacks %q:\n%s", part, text)
			}
		}
	}
	_, err = Explain(path, "dit.emb_in.proj_in.weight")
	wantError(t, err, "replaced by the AdaLN table")
}

// A table that does not fit the artifact's plan is damage that check finds.
func TestCheckFindsAnotherTable(t *testing.T) {
	path := convertWith(t, tableOf(small(t), quantize.F32, exact16))
	f := openArtifact(t, path)
	meta, err := f.Meta()
	if err != nil {
		t.Fatal(err)
	}
	p, err := ParseProvenance(meta.Provenance)
	if err != nil {
		t.Fatal(err)
	}
	p.Plan.AdaTable = &released16
	var r CheckReport
	r.checkSchedule(f, p)
	if len(r.Damage) != 1 || !strings.Contains(r.Damage[0].Text, released16.String()) {
		t.Errorf("found %v", r.Damage)
	}
}

// TestAdaTableOfTheEmbeddedModel guards the figure that the tiny model's table has.
func TestAdaTableOfTheEmbeddedModel(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tiny.cola")
	if _, err := FS(t.Context(), golden.Tiny(), path, tableOf("", quantize.F32, exact16)); err != nil {
		t.Fatal(err)
	}
	s, ok, err := hf.FindSchedule(openArtifact(t, path))
	if diff := cmp.Diff(exact16, s); diff != "" || !ok || err != nil {
		t.Errorf("the schedule is another one: %v, %v\n%s", ok, err, diff)
	}
}
