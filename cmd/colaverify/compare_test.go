package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"colakit/formats/hf"
	"colakit/internal/command"
	"colakit/quantize"
	"colakit/verify"
)

// brief makes a run of one block of one step of one prompt.
var brief = []string{"One day Ben", "--flow-steps", "1", "--max-new-tokens", "4"}

// compared runs compare and reads its report.
func compared(t *testing.T, args ...string) (code int, r *verify.Report, stderr string) {
	t.Helper()
	code, out, stderr := colaverify(t, context.Background(), append(append([]string{"compare"}, args...), "--json", "-")...)
	var suite verify.Suite
	if err := json.Unmarshal([]byte(out), &suite); err != nil || len(suite.Reports) != 1 {
		t.Fatalf("%v: code %d, error %q, %v\n%s", args, code, stderr, err, out)
	}
	return code, suite.Reports[0], stderr
}

// TestCompare: two sides are judged by the rule for the less precise of both, whichever
// that is, and by that for float32 where they hold the same weights.
func TestCompare(t *testing.T) {
	source := checkpoint(t, "", "", nil)
	f16, int8 := artifact(t, source, quantize.F16), artifact(t, source, quantize.Int8)
	spoilt := artifact(t, checkpoint(t, "cola_dit", "blocks.2.msa.proj_out.weight", transposed), quantize.F32)
	tests := []struct {
		name string
		args []string
		code int
		rule string // that judges
		none string // that does not
	}{
		{"the same", []string{"tiny", "tiny"}, command.Good, "float32 product", "f16 artifact"},
		{"the less precise as B", []string{"tiny", f16}, command.Good, "f16 artifact", ""},
		{"the less precise as A", []string{f16, "tiny"}, command.Good, "f16 artifact", ""},
		{"codes against codes", []string{int8, int8}, command.Good, "float32 product", "int8 artifact"},
		{"codes, one side's tokens quantised", []string{int8, int8, "--activations-b", "int8"}, command.Good, "int8 artifact and activations", "int8 artifact"},
		{"released", []string{"tiny", f16, "--contract", "released"}, command.Good, "released, 16-bit artifact", "f16 artifact"},
		{"a fault", []string{"tiny", spoilt}, command.Wrong, "float32 product", ""},
		{"a fault of the reference", []string{spoilt, "tiny"}, command.Wrong, "float32 product", ""},
		{"a fault at level layers", []string{"tiny", spoilt, "--level", "layers"}, command.Wrong, "float32 chain", ""},
		{"a fault that is not selected", []string{"tiny", spoilt, "--layers", "dit.1"}, command.Good, "float32 product", ""},
	}
	for _, tt := range tests {
		code, r, stderr := compared(t, append(tt.args, brief...)...)
		if code != tt.code || code == command.Good && stderr != "" {
			t.Errorf("%s: code %d, error %q", tt.name, code, stderr)
			continue
		}
		used := map[string]bool{}
		for _, u := range r.Policy {
			used[u.Name] = true
		}
		if !used[tt.rule] || used[tt.none] {
			t.Errorf("%s: judged by %v", tt.name, used)
		}
		if code == command.Wrong && (r.Divergence == nil || !strings.HasPrefix(r.Divergence.Op, "dit.blocks.2.msa.out")) {
			t.Errorf("%s: located at %+v", tt.name, r.Divergence)
		}
	}
}

// TestCompareContracts: sides of two contracts are shown, and nothing is said to be
// right.
func TestCompareContracts(t *testing.T) {
	code, r, stderr := compared(t, append([]string{"tiny", "tiny", "--contract-b", "released"}, brief...)...)
	if code != command.Incomplete || r.Verdict != verify.Incomplete || r.Unjudged == "" || !strings.Contains(stderr, "not judged") {
		t.Errorf("code %d, verdict %s, error %q", code, r.Verdict, stderr)
	}
	if len(r.Policy) > 0 || r.Coverage.Unjudged != len(r.Comparisons) || r.Coverage.Compared != r.Coverage.Taps {
		t.Errorf("%d rules, %d of %d comparisons are not judged, %d of %d taps compared", len(r.Policy), r.Coverage.Unjudged, len(r.Comparisons), r.Coverage.Compared, r.Coverage.Taps)
	}
	for _, l := range r.Layers {
		if l.Layer == "dit 1" && (l.Isolated.RelL2 == 0 || l.MLP.RelL2 == 0) {
			t.Errorf("no figures for %+v", l)
		}
	}
}

// TestCompareTables: an AdaLN table is compared with the weights it was made of, on
// either side and without being told its schedule.
func TestCompareTables(t *testing.T) {
	table := tableArtifact(t, checkpoint(t, "", "", nil), hf.Schedule{T: 1000, Steps: 2, Contract: "exact"})
	for _, sides := range [][]string{{"tiny", table}, {table, "tiny"}, {table, table}} {
		code, r, stderr := compared(t, append(sides, "--max-new-tokens", "4", "One day")...)
		if code != command.Good || r.Bundle.Steps != 2 || r.Bundle.Samples != 1 {
			t.Errorf("%v: code %d, error %q, %+v", sides, code, stderr, r.Bundle)
		}
	}
}

// TestCompareRecord: the recording is a bundle that others are held against.
func TestCompareRecord(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "bundle")
	if code, _, stderr := compared(t, append([]string{"tiny", "tiny", "--record", dir}, brief...)...); code != command.Good {
		t.Fatalf("code %d, error %q", code, stderr)
	}
	code, out, stderr := colaverify(t, context.Background(), "--layerwise", "tiny", "--golden", dir)
	if code != command.Good || !strings.HasPrefix(out, "PASS") {
		t.Errorf("code %d, error %q\n%s", code, stderr, out)
	}
}

func TestCompareRefusals(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	full := t.TempDir()
	check(t, os.WriteFile(filepath.Join(full, "file"), nil, 0o666))
	empty := filepath.Join(full, "empty.jsonl")
	check(t, os.WriteFile(empty, nil, 0o666))
	for _, tt := range []struct {
		args []string
		says string
	}{
		{nil, "argument A is missing"},
		{[]string{"tiny"}, "argument B is missing"},
		{[]string{"tiny", "none.cola"}, "none.cola"},
		{[]string{"tiny", "tiny", "--level", "all"}, "--level"},
		{[]string{"tiny", "tiny", "--engine-b", "abacus"}, "abacus"},
		{[]string{"tiny", "tiny", "--contract-a", "strict"}, "strict"},
		{[]string{"tiny", "tiny", "--record", full}, "holds files already"},
		{[]string{"tiny", "tiny", "--prompts", empty}, "holds no records"},
		{[]string{"tiny", "tiny", "a prompt", "--prompts", empty}, "one or the other"},
		{[]string{"tiny", "tiny", "--guidance", "NaN"}, "guidance"},
	} {
		code, out, stderr := colaverify(t, context.Background(), append([]string{"compare"}, tt.args...)...)
		if code != command.Usage || out != "" || !strings.Contains(stderr, tt.says) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%v: code %d, error %q, want %q", tt.args, code, stderr, tt.says)
		}
	}
	if left, _ := os.ReadDir(os.TempDir()); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
