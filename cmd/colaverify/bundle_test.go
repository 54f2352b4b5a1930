package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"colakit/internal/command"
)

// TestBundle compares recordings of one run, of two contracts and of different runs.
func TestBundle(t *testing.T) {
	record := func(level string) string {
		dir := filepath.Join(t.TempDir(), level)
		code, _, stderr := compared(t, append([]string{"tiny", "tiny", "--record", dir, "--level", level}, brief...)...)
		if code != command.Good {
			t.Fatalf("code %d, error %q", code, stderr)
		}
		return dir
	}
	whole, layers := record("ops"), record("layers")
	for _, tt := range []struct {
		a, b string
		code int
		says string // on either stream
	}{
		{whole, whole, command.Good, "bit-equal"},
		{whole, layers, command.Good, "not in the other bundle"},
		{layers, whole, command.Good, `level: "layers" → "ops"`},
		{"exact-layers", "released-layers", command.Incomplete, "not judged"},
		{"exact-ops", "exact-layers", command.Usage, "different runs"},
		{"exact-ops", "none", command.Usage, "B: "},
	} {
		code, out, stderr := colaverify(t, context.Background(), "bundle", tt.a, tt.b)
		if code != tt.code || !strings.Contains(out+stderr, tt.says) || strings.Count(stderr, "\n") > 1 {
			t.Errorf("%s and %s: code %d, error %q\n%s", tt.a, tt.b, code, stderr, out)
		}
	}
	code, out, stderr := colaverify(t, context.Background(), "bundle", "exact-layers", "released-layers", "--html", "-")
	if code != command.Incomplete || !strings.Contains(out, "Two recordings of one run") || !strings.Contains(out, "By kind of pass") {
		t.Errorf("--html: code %d, error %q", code, stderr)
	}
	if code, _, stderr := colaverify(t, context.Background(), "bundle", "exact-ops"); code != command.Usage || !strings.Contains(stderr, "argument B is missing") {
		t.Errorf("code %d, error %q", code, stderr)
	}
}
