package main

import (
	"path/filepath"
	"strings"
	"testing"

	"colakit/golden"
	"colakit/internal/command"
	"colakit/quantize"
)

// TestSideA: what is said of A alone holds for A, and not for B.
func TestSideA(t *testing.T) {
	int8 := artifact(t, checkpoint(t, "", "", nil), quantize.Int8)
	for name, c := range map[string]struct {
		args []string
		rule string
	}{
		"activations": {[]string{int8, int8, "--activations-a", "int8"}, "int8 artifact and activations"},
		"engine":      {[]string{"tiny", "tiny", "--engine-a", "emulated", "--engine-b", "reference", "--level", "layers"}, "float32 copy"},
	} {
		code, r, stderr := compared(t, append(c.args, brief...)...)
		if strings.Contains(stderr, "cgo") {
			t.Skip("not run: ", stderr)
		}
		judged := false
		for _, u := range r.Policy {
			judged = judged || u.Name == c.rule
		}
		if name == "activations" && (code != command.Good || !judged) {
			t.Errorf("%s: code %d, error %q, judged by %+v", name, code, stderr, r.Policy)
		}
		if name == "engine" && (r.Engine.Name != "reference" || !strings.Contains(r.Bundle.Name, "emulated")) {
			t.Errorf("%s: engine %+v of bundle %+v", name, r.Engine, r.Bundle)
		}
	}
}

// TestRecordedSettings: the settings of a comparison's run are those of its record.
func TestRecordedSettings(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "record")
	code, _, stderr := compared(t, append([]string{"tiny", "tiny", "--record", dir, "--noise-seed", "7", "--repetition-penalty", "1.5"}, brief...)...)
	if code != command.Good {
		t.Fatalf("code %d, error %q", code, stderr)
	}
	b, err := golden.Open(dir)
	check(t, err)
	defer b.Close()
	if r := b.Info.Run; r.NoiseSeed == nil || *r.NoiseSeed != 7 || r.RepetitionPenalty != 1.5 {
		t.Errorf("recorded %+v", r)
	}
}

// TestDeviceMemory: a bound that the weights do not fit into is an error of every verb
// that runs kernels.
func TestDeviceMemory(t *testing.T) {
	for _, args := range [][]string{
		{"--layerwise", "--golden", "exact-layers", "--engine", "emulated", "--device-memory", "2MB"},
		{"selftest", "--only", "^as-it-is$", "--engine", "emulated", "--device-memory", "2MB"},
		{"compare", "tiny", "tiny", "--engine", "emulated", "--device-memory", "2MB"},
		{"bisect", "tiny", "tiny", "--engine", "emulated", "--device-memory", "2MB"},
	} {
		code, out, stderr := colaverify(t, t.Context(), args...)
		if strings.Contains(stderr, "cgo") {
			t.Skip("not run: ", stderr)
		}
		if code == command.Good || !strings.Contains(out+stderr, "out of device memory") {
			t.Errorf("%v: code %d, error %q\n%s", args, code, stderr, out)
		}
	}
}
