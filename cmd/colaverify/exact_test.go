package main

import (
	"context"
	"strings"
	"testing"

	"colakit/formats/hf"
	"colakit/internal/command"
	"colakit/quantize"
)

// TestExact: the errors of both sides are held against exact values wherever the
// golden's own weights are at hand.
func TestExact(t *testing.T) {
	f32, int8 := artifact(t, checkpoint(t, "", "", nil), quantize.F32), artifact(t, checkpoint(t, "", "", nil), quantize.Int8)
	const section, none = "Errors against exact values", "no ratios: no exact reference was given"
	tests := []struct {
		name string
		args []string
		says []string
	}{
		{"the embedded model", []string{"tiny", "--golden", "released-ops"}, []string{section, "ratio, released, free-running"}},
		{"weights that are rounded, of an embedded bundle", []string{int8, "--golden", "exact-ops"}, []string{section, "not judged: float32 on both sides"}},
		{"a file", []string{int8, "--golden", "released-ops", "--exact", f32}, []string{section, "not judged: the artifact's weights are rounded"}},
		{"none", []string{"tiny", "--golden", "exact-ops", "--exact", "none"}, []string{none}},
	}
	for _, tt := range tests {
		code, out, err := colaverify(t, context.Background(), append([]string{"--layerwise"}, tt.args...)...)
		if code != command.Good || err != "" {
			t.Errorf("%s: code %d, error %q", tt.name, code, err)
		}
		for _, want := range tt.says {
			if !strings.Contains(out, want) {
				t.Errorf("%s: does not say %q:\n%s", tt.name, want, out)
			}
		}
	}
}

func TestExactRefusals(t *testing.T) {
	int8 := artifact(t, checkpoint(t, "", "", nil), quantize.Int8)
	table := tableArtifact(t, checkpoint(t, "", "", nil), hf.Schedule{T: 1000, Steps: 2, Contract: "exact"})
	for exact, says := range map[string]string{
		int8: "convert the checkpoint with --type f32", table: "convert without --ada table", "missing.cola": "--exact: ",
	} {
		code, out, err := colaverify(t, context.Background(), "--layerwise", "--golden", "exact-ops", "--exact", exact)
		if code != command.Usage || out != "" || !strings.Contains(err, says) || strings.Count(err, "\n") != 1 {
			t.Errorf("%s: code %d, error %q", exact, code, err)
		}
	}
}
