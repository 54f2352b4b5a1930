package verify_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"colakit/reference"
	"colakit/verify"
)

func text(t *testing.T, write func(*bytes.Buffer) error) string {
	t.Helper()
	var b bytes.Buffer
	check(t, write(&b))
	return b.String()
}

// TestReportText looks at what a reader sees first, and at the width.
func TestReportText(t *testing.T) {
	m := tiny(t)
	good := m.run(t, "exact-ops", nil, reference.Options{})
	transpose("dit.blocks.2.msa.proj_out.weight")(t, m)
	bad := m.run(t, "exact-ops", nil, reference.Options{})
	tests := []struct {
		name     string
		suite    *verify.Suite
		o        verify.TextOptions
		first    string
		contains []string
		lines    int // at most
	}{
		{"pass", verify.NewSuite(good), verify.TextOptions{Width: 120}, "PASS  exact-ops",
			[]string{"By layer", "Guidance, free-running", "b01/uncond", "Worst tensors", "float32 product", "tokens: 36 of 36", "coverage: 1269 of 1269"}, 70},
		{"fail", verify.NewSuite(bad), verify.TextOptions{Width: 100}, "FAIL  exact-ops",
			[]string{"operation  dit.blocks.2.msa.out", "uses       dit.blocks.2.msa.proj_out.weight [128, 128] f32", "this layer alone of 4", "explained by dit.blocks.2.msa.out", "What is wrong", "is read transposed"}, 112},
		{"both", verify.NewSuite(good, bad), verify.TextOptions{Width: 100}, "FAIL  1 of 2 bundles passed",
			[]string{"PASS  exact-ops", "Latents in generation", "First divergence"}, 112},
		{"two that pass", verify.NewSuite(good, good), verify.TextOptions{Width: 120}, "PASS  2 of 2 bundles passed",
			[]string{"Tolerances used most"}, 62},
		{"everything", verify.NewSuite(good), verify.TextOptions{Width: 120, Everything: true}, "PASS  exact-ops",
			[]string{"The partial sums of K products", "Every operation, over all passes", "dit.blocks.3.ada.mlp_out.gate"}, 1 << 20},
		{"narrow", verify.NewSuite(bad), verify.TextOptions{Width: 60}, "FAIL  exact-ops", []string{"First divergence"}, 153},
		{"whole", verify.NewSuite(good, bad), verify.TextOptions{Width: 60, Whole: true}, "FAIL  1 of 2 bundles passed",
			[]string{"isolated: each operation is fed", "First divergence", "vae.decoder.", "  tap\n"}, 130},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := text(t, func(b *bytes.Buffer) error { return tt.suite.WriteText(b, tt.o) })
			lines := strings.Split(got, "\n")
			if !strings.HasPrefix(lines[0], tt.first) {
				t.Errorf("begins with %q, want %q", lines[0], tt.first)
			}
			for _, want := range tt.contains {
				if !strings.Contains(got, want) {
					t.Errorf("does not say %q", want)
				}
			}
			for _, l := range lines {
				if utf8.RuneCountInString(l) > tt.o.Width && !tt.o.Whole {
					t.Errorf("%d columns: %q", utf8.RuneCountInString(l), l)
				}
			}
			if len(lines) > tt.lines {
				t.Errorf("%d lines, want at most %d", len(lines), tt.lines)
			}
			if strings.Contains(got, "…") && tt.o.Whole {
				t.Error("lines are cut")
			}
			if strings.Contains(got, "\x1b") {
				t.Error("escape sequences without colour")
			}
			if t.Failed() {
				t.Log(got)
			}
		})
	}
}

func TestReportJSON(t *testing.T) {
	r := tiny(t).run(t, "exact-layers", nil, reference.Options{})
	raw := text(t, func(b *bytes.Buffer) error { return verify.NewSuite(r).WriteJSON(b) })
	var suite struct {
		Schema  string
		Version int
		Verdict string
		Reports []struct {
			Schema      string
			Verdict     string
			Layers      []any
			Policy      []any
			Comparisons []struct {
				Name, Mode string
				Summary    struct {
					N     int
					RelL2 float64 `json:"rel_l2"`
				}
			}
		}
	}
	check(t, json.Unmarshal([]byte(raw), &suite))
	one := suite.Reports[0]
	if suite.Schema != verify.Schema || suite.Version != verify.SchemaVersion || suite.Verdict != "PASS" || one.Verdict != "PASS" {
		t.Errorf("got %s %d %s", suite.Schema, suite.Version, suite.Verdict)
	}
	if len(one.Layers) == 0 || len(one.Policy) == 0 || len(one.Comparisons) != len(r.Comparisons) || one.Comparisons[0].Name == "" || one.Comparisons[0].Summary.N == 0 {
		t.Errorf("%d layers, %d rules, %d comparisons", len(one.Layers), len(one.Policy), len(one.Comparisons))
	}
}

// TestReportsAreReproducible compares reports of runs with different workers.
func TestReportsAreReproducible(t *testing.T) {
	m := tiny(t)
	report := func(workers int) string {
		r := m.run(t, "released-ops", nil, reference.Options{Workers: workers})
		r.Seconds = 0
		return text(t, func(b *bytes.Buffer) error { return r.WriteText(b, verify.TextOptions{Everything: true}) })
	}
	if diff := cmp.Diff(report(1), report(3)); diff != "" {
		t.Errorf("(-one worker +three)\n%s", diff)
	}
}

// TestSourceNote: the embedded bundles name the embedded model's files.
func TestSourceNote(t *testing.T) {
	of := tiny(t).sources
	const dit, vae = "cola_dit/model.safetensors", "cola_vae/model.safetensors"
	tests := []struct {
		name    string
		sources map[string]string
		want    string // in the notes; "": nothing about sources
	}{
		{"the same", map[string]string{dit: of[dit], vae: of[vae]}, ""},
		{"renamed", map[string]string{"a.safetensors": of[dit], "b.safetensors": of[vae]}, ""},
		{"another prior", map[string]string{dit: sum(nil), vae: of[vae]}, "not made from the bundle's checkpoint: " + dit + " had"},
		{"not known", nil, "sources not compared"},
	}
	b := bundle(t, "exact-ops")
	for _, tt := range tests {
		m := tiny(t)
		engine, err := reference.New(m, m.cfg, reference.Options{})
		check(t, err)
		artifact := m.artifact()
		artifact.Sources = tt.sources
		r, err := verify.Run(t.Context(), engine, b, verify.Options{Name: "exact-ops", Artifact: artifact})
		check(t, errors.Join(err, engine.Close()))
		notes := strings.Join(r.Notes, "\n")
		if tt.want != "" && !strings.Contains(notes, tt.want) || tt.want == "" && (strings.Contains(notes, "sources") || strings.Contains(notes, "checkpoint")) {
			t.Errorf("%s: notes %q, want %q", tt.name, notes, tt.want)
		}
	}
}
