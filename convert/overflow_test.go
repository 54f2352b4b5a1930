package convert

import (
	"bytes"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
	"colakit/internal/synth"
	"colakit/quantize"
)

const overflowing = "blocks.1.mlp.proj_in.weight" // [64, 32]

// overflowingSource returns a checkpoint with some values in one tensor.
func overflowingSource(t *testing.T, dit string, values ...float32) string {
	t.Helper()
	src := small(t)
	if dit != "" {
		writeFile(t, filepath.Join(src, "cola_dlm", "cola_dit", "config.json"), []byte(dit))
	}
	for i, v := range values {
		editTensor(t, ditWeights(src), overflowing, setValue(5*32+7+i, v))
	}
	return src
}

// TestOverflow allows for values beyond a type's range: one tensor falls back or is
// clamped, and plan, artifact and summary say so.
func TestOverflow(t *testing.T) {
	src := overflowingSource(t, "", 70000, -1e30)
	for how, want := range map[Overflow]struct {
		to      quantize.Scheme
		first   float64
		clamped int64
		text    string
	}{
		OverflowBF16:  {quantize.BF16, 70144, 0, "is bf16 instead of f16: 2 beyond 65504, the first 70000 at [5, 7]"},
		OverflowF32:   {quantize.F32, 70000, 0, "is f32 instead of f16"},
		OverflowClamp: {quantize.F16, 65504, 2, "is clamped: 2 beyond 65504, the first 70000 at [5, 7]"},
	} {
		c := prepare(t, Options{Source: src, Type: quantize.F16, Overflow: how})
		out := filepath.Join(t.TempDir(), "out.cola")
		s, err := c.Execute(t.Context(), out, ExecuteOptions{Jobs: 2})
		if err != nil {
			t.Errorf("%s: %v", how, err)
			continue
		}
		changed := 0
		for i, step := range c.Steps {
			if step.Overflow == "" {
				continue
			}
			changed++
			if step.Source != overflowing || step.To != want.to || step.Clamped != want.clamped || how != OverflowClamp && *step.InsteadOf != quantize.F16 {
				t.Errorf("%s: planned %+v", how, step)
			}
			if s.Results[i].Largest != float64(float32(1e30)) {
				t.Errorf("%s: figures %+v", how, s.Results[i])
			}
		}
		view, err := openArtifact(t, out).Read("dit." + overflowing)
		if err != nil || changed != 1 {
			t.Fatalf("%s: %d tensors changed, %v", how, changed, err)
		}
		if x, _ := view.Float64s(); x[5*32+7] != want.first || how == OverflowClamp && x[5*32+8] != -65504 {
			t.Errorf("%s: stored %v", how, x[5*32+7:5*32+9])
		}
		var text bytes.Buffer
		if err := s.WriteText(&text, c.Plan); err != nil || !strings.Contains(text.String(), want.text) {
			t.Errorf("%s: the summary lacks %q:\n%s", how, want.text, &text)
		}
		if r, err := Check(t.Context(), out, CheckOptions{}); err != nil || r.Err() != nil {
			t.Errorf("%s: check finds %v, %v", how, r.Err(), err)
		}
	}
}

// TestOverflowScan plans before the first byte is written: sizes are exact, and
// nothing is changed where nothing overflows.
func TestOverflowScan(t *testing.T) {
	c := prepare(t, Options{Source: overflowingSource(t, "", 70000), Type: quantize.F16, Overflow: OverflowF32})
	before := c.OutputBytes
	reports := 0
	for range 2 { // the second time for nothing
		if err := c.Scan(t.Context(), ScanOptions{Progress: func(Progress) { reports++ }}); err != nil {
			t.Fatal(err)
		}
		if reports == 0 || c.OutputBytes <= before {
			t.Errorf("%d reports, %d bytes after %d", reports, c.OutputBytes, before)
		}
		before, reports = c.OutputBytes-1, 1
	}
	c = prepare(t, Options{Source: small(t), Type: quantize.F16, Overflow: OverflowClamp})
	if err := c.Scan(t.Context(), ScanOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, s := range c.Steps {
		if s.Overflow != "" || s.Clamped != 0 {
			t.Errorf("nothing overflows, but %+v", s)
		}
	}
}

func TestOverflowErrors(t *testing.T) {
	for name, c := range map[string]struct {
		value float32
		dit   string
		to    quantize.Scheme
		how   Overflow
		want  []string
	}{
		"bf16 is too narrow":        {math.MaxFloat32, "", quantize.F16, OverflowBF16, []string{overflowing, "beyond 3.38", "convert to f32"}},
		"NaN is never allowed":      {float32(math.NaN()), "", quantize.F16, OverflowClamp, []string{overflowing, "is NaN"}},
		"Inf is never allowed":      {float32(math.Inf(1)), "", quantize.F16, OverflowF32, []string{overflowing, "+Inf"}},
		"codes are not clamped":     {1e30, "", quantize.Int8G32, OverflowClamp, []string{overflowing, "what becomes codes is not clamped"}},
		"loading is what overflows": {70000, `{"dtype": "float16", ` + smallDiT[1:], quantize.F32, OverflowF32, []string{overflowing, "config.json loads it as"}},
	} {
		out := outputs(t)
		_, err := prepare(t, Options{Source: overflowingSource(t, c.dit, c.value), Type: c.to, Overflow: c.how}).Execute(t.Context(), out, ExecuteOptions{Force: true})
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		wantError(t, err, c.want...)
		wantUntouched(t, out)
	}
	src := checkpointDir(t, smallDiT, smallVAE, synth.Options{Type: dtype.F64})
	editTensor(t, ditWeights(src), overflowing, func(v *tensor.View) {
		if err := dtype.FromFloat64s(v.Data[:8], []float64{1e200}, dtype.F64); err != nil {
			t.Fatal(err)
		}
	})
	c := prepare(t, Options{Source: src, Type: quantize.F16, Overflow: OverflowClamp})
	wantError(t, c.Scan(t.Context(), ScanOptions{}), overflowing, "1e+200", "beyond those of f32")

	_, err := ParseOverflow("ignore")
	wantError(t, err, "fail, bf16, f32, clamp")
}

// TestOverflowOfCodes falls back from codes whose f16 scales are too small.
func TestOverflowOfCodes(t *testing.T) {
	src := overflowingSource(t, "", 1e30)
	_, err := prepare(t, Options{Source: src, Type: quantize.Int8G32}).Execute(t.Context(), outputs(t), ExecuteOptions{Force: true})
	wantError(t, err, overflowing, "8.3517595e+06", "int8-g32")
	c := prepare(t, Options{Source: src, Type: quantize.Int8G32, Overflow: OverflowBF16})
	out := filepath.Join(t.TempDir(), "out.cola")
	if _, err := c.Execute(t.Context(), out, ExecuteOptions{}); err != nil {
		t.Fatal(err)
	}
	if view, err := openArtifact(t, out).Read("dit." + overflowing); err != nil || view.Type != dtype.BF16 {
		t.Errorf("stored as %v, %v", view.Type, err)
	}
	convertTo(t, src, quantize.Int8, ExecuteOptions{}) // f32 scales hold it
}
