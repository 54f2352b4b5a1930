package main

import (
	"context"
	"strings"
	"testing"
)

// TestProgress reports on standard error in the way that was asked for.
func TestProgress(t *testing.T) {
	for mode, want := range map[string]struct {
		code int
		says string // part of stderr; "" for none at all
	}{
		"json": {0, `{"event":"end"`},
		"none": {0, ""},
		"auto": {0, ""}, // no terminal here
		"loud": {2, `unknown progress "loud"`},
	} {
		code, _, errs := colaverify(t, context.Background(), "--layerwise", "--golden", "exact-layers", "--progress", mode)
		if code != want.code || !strings.Contains(errs, want.says) || want.says == "" && errs != "" {
			t.Errorf("%s: code %d, want %d; stderr %.300q", mode, code, want.code, errs)
		}
	}
}
