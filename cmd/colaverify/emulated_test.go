package main

import (
	"strings"
	"testing"

	"colakit/quantize"
)

// TestEmulatedEngine holds the CUDA kernels, run on the CPU, against golden bundles
// of both contracts, with weights and activations of every kind.
func TestEmulatedEngine(t *testing.T) {
	int8 := artifact(t, checkpoint(t, "", "", nil), quantize.Int8)
	for name, args := range map[string][]string{
		"float16":       {"tiny", "--golden", "exact-ops"},
		"bfloat16":      {"tiny", "--golden", "released-layers", "--blocks", "0-1", "--steps", "0-2"},
		"int8 weights":  {int8, "--golden", "exact-ops", "--blocks", "0"},
		"int8 products": {int8, "--golden", "exact-ops", "--blocks", "0", "--activations", "int8"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, err := colaverify(t, t.Context(), append([]string{"--layerwise", "--engine", "emulated"}, args...)...)
			if strings.Contains(err, "cgo") {
				t.Skip("not run: ", err)
			}
			if code != 0 {
				t.Errorf("exit code %d: %s\n%s", code, err, out)
			}
		})
	}
}
