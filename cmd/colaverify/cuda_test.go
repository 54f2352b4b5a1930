//go:build cuda && cgo

package main

import (
	"errors"
	"os"
	"strings"
	"testing"

	"colakit/internal/command"
	"colakit/kernels"
	"colakit/kernels/device"
	"colakit/quantize"
)

// TestCUDA: a GPU passes the verifier. The fake driver computes on the CPU, so it
// is shown a part of one bundle only.
func TestCUDA(t *testing.T) {
	d, err := kernels.Open(kernels.CUDA, 0, 0)
	fake := os.Getenv("FAKECUDA") != ""
	if errors.Is(err, device.ErrUnavailable) && !fake {
		t.Skip("not run: ", err)
	}
	check(t, err)
	d.Close()
	runs := [][]string{{"--golden", "exact-layers", "--blocks", "0", "--steps", "0"}}
	if !fake {
		runs = [][]string{nil, {artifact(t, checkpoint(t, "", "", nil), quantize.F16)}, {artifact(t, checkpoint(t, "", "", nil), quantize.Int8)},
			{artifact(t, checkpoint(t, "", "", nil), quantize.Int8), "--activations", "int8"}}
	}
	for _, args := range runs {
		code, out, stderr := colaverify(t, t.Context(), append([]string{"--layerwise", "--engine", "cuda", "--progress", "none"}, args...)...)
		if code != command.Good || !strings.Contains(out, "PASS") || stderr != "" {
			t.Errorf("%v: exit code %d, %s\n%s", args, code, stderr, out)
		}
	}
}
