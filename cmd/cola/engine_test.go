package main

import (
	"errors"
	"strings"
	"testing"

	"colakit/internal/command"
	"colakit/kernels"
	"colakit/kernels/device"
)

// emulated skips a test where the kernels can't run on the CPU.
func emulated(t *testing.T) {
	t.Helper()
	d, err := kernels.Open(kernels.Emulated, 0, 0)
	if errors.Is(err, device.ErrUnavailable) {
		t.Skip("not run: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	d.Close()
}

// briefly are the flags of a short run of several prompts.
var briefly = []string{"generate", "tiny", "--input", "-", "--steps", "2", "--max-new-tokens", "4", "--progress", "none"}

// TestSharedBatch: several devices that share the batch give the reference's records,
// with one random stream for all samples.
func TestSharedBatch(t *testing.T) {
	emulated(t)
	prompts := strings.Join(strings.SplitAfterN(tinyFile(t, "prompts.jsonl"), "\n", 4)[:3], "")
	code, want, stderr := runCola(t, prompts, append(briefly, "--seed", "3")...)
	if code != command.Good || strings.Count(want, "\n") != 3 || stderr != "" {
		t.Fatalf("exit code %d, %s", code, stderr)
	}
	code, stdout, stderr := runCola(t, prompts, append(briefly, "--seed", "3", "--engine", "emulated", "--devices", "0,1", "--device-memory", "20MB")...)
	if code != command.Good || stdout != want || stderr != "" {
		t.Errorf("exit code %d, %s\n%s, want\n%s", code, stderr, stdout, want)
	}
}

// TestDeviceMemory: what is needed is said before anything is computed.
func TestDeviceMemory(t *testing.T) {
	emulated(t)
	code, stdout, stderr := runCola(t, tinyFile(t, "prompts.jsonl"), append(briefly, "--engine", "emulated", "--device-memory", "2MB")...)
	if code != command.Usage || stdout != "" || !strings.Contains(stderr, "cache of the prior") || !strings.Contains(stderr, "--device-memory") {
		t.Errorf("exit code %d, %s, %s", code, stdout, stderr)
	}
}

// TestAuto says which engine was taken.
func TestAuto(t *testing.T) {
	code, stdout, stderr := runCola(t, "", "generate", "tiny", "One day", "--engine", "auto", "--steps", "1", "--max-new-tokens", "4")
	if code != command.Good || stdout == "" || !strings.HasPrefix(stderr, "cola: engine ") || strings.Count(stderr, "\n") != 1 {
		t.Errorf("exit code %d, %q, %q", code, stdout, stderr)
	}
}
