//go:build cuda && cgo

package main

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"colakit/internal/command"
	"colakit/kernels"
	"colakit/kernels/device"
)

// gpu skips a test without a GPU. The fake driver (FAKECUDA, set by
// scripts/cuda-env.sh fake) has to be usable.
func gpu(t *testing.T) {
	t.Helper()
	d, err := kernels.Open(kernels.CUDA, 0, 0)
	if errors.Is(err, device.ErrUnavailable) && os.Getenv("FAKECUDA") == "" {
		t.Skip("not run: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	d.Close()
}

// TestCUDA: a GPU generates the reference's records, and so do two that share the
// batch, where there are two. In three blocks all passes are recorded and replayed.
func TestCUDA(t *testing.T) {
	gpu(t)
	prompts, blocks := tinyFile(t, "prompts.jsonl"), append(slices.Clone(briefly), "--max-new-tokens", "12")
	code, want, stderr := runCola(t, prompts, blocks...)
	if code != command.Good || stderr != "" {
		t.Fatalf("exit code %d, %s", code, stderr)
	}
	for _, flags := range []string{"--engine cuda", "--engine auto --device-memory 100MB", "--engine cuda --devices 0,1"} {
		code, stdout, stderr := runCola(t, prompts, append(blocks, strings.Fields(flags)...)...)
		if strings.Contains(stderr, "there is no device 1") && os.Getenv("FAKECUDA") == "" {
			t.Logf("not run: %s", stderr)
			continue
		}
		if code != command.Good || stdout != want {
			t.Errorf("%s: exit code %d, %s\n%s, want\n%s", flags, code, stderr, stdout, want)
		}
		if auto := strings.HasPrefix(stderr, "cola: engine cuda on "); auto != strings.Contains(flags, "auto") {
			t.Errorf("%s: %s", flags, stderr)
		}
	}
}

// TestCUDARefuses: what can't be had is said before anything is computed.
func TestCUDARefuses(t *testing.T) {
	gpu(t)
	for flags, want := range map[string]string{
		"--devices 99":        "there is no device 99",
		"--devices 0,0":       "device 0 is named twice",
		"--device-memory 2MB": "cache of the prior",
	} {
		code, stdout, stderr := runCola(t, "", append([]string{"generate", "tiny", "One day", "--engine", "cuda"}, strings.Fields(flags)...)...)
		if code != command.Usage || stdout != "" || !strings.Contains(stderr, want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s: exit code %d, %s", flags, code, stderr)
		}
	}
}

// TestCUDAAutoRefused: a model that a device refuses goes to the reference, with one
// line that says why.
func TestCUDAAutoRefused(t *testing.T) {
	gpu(t)
	prompts := tinyFile(t, "prompts.jsonl")
	_, want, _ := runCola(t, prompts, briefly...)
	refused := func(flags ...string) {
		t.Helper()
		code, stdout, stderr := runCola(t, prompts, append(append(briefly, "--engine", "auto"), flags...)...)
		if code != command.Good || stdout != want || !strings.HasPrefix(stderr, "cola: engine reference (cuda on ") ||
			!strings.Contains(stderr, "out of device memory") || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%v: exit code %d, %s\n%s", flags, code, stderr, stdout)
		}
	}
	refused("--device-memory", "2MB")
	if os.Getenv("FAKECUDA") != "" {
		t.Setenv("FAKECUDA_MEMORY", "3000000")
		refused()
	}
}

// TestCUDABench: a GPU's figures have its copies and its kernels' times.
func TestCUDABench(t *testing.T) {
	gpu(t)
	code, stdout, stderr := runCola(t, "", append(fast, "--engine", "cuda")...)
	if code != command.Good || !strings.Contains(stdout, "device copies at") || !strings.Contains(stdout, "layernorm") || stderr != "" {
		t.Errorf("exit code %d, %s\n%s", code, stderr, stdout)
	}
}
