package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"colakit/formats/tensor"
	"colakit/internal/command"
	"colakit/quantize"
)

// TestMain lets a test run the program as a process of its own, to kill it.
func TestMain(m *testing.M) {
	if args := os.Getenv("COLAVERIFY_TEST_ARGS"); args != "" {
		os.Exit(program().Run(context.Background(), command.Streams{Out: os.Stdout, Err: os.Stderr}, strings.Fields(args)))
	}
	os.Exit(m.Run())
}

// A process that is killed leaves a state that the next one goes on from, to the same
// report.
func TestKilledProcess(t *testing.T) {
	dir := t.TempDir()
	state, report := filepath.Join(dir, "run.state"), filepath.Join(dir, "report.json")
	args := "--layerwise --golden exact-ops --progress none --state " + state
	process := exec.Command(os.Args[0])
	process.Env = append(os.Environ(), "COLAVERIFY_TEST_ARGS="+args)
	check(t, process.Start())
	for begin := time.Now(); time.Since(begin) < time.Minute; time.Sleep(time.Millisecond) {
		if info, err := os.Stat(state); err == nil && info.Size() > 20_000 {
			break
		}
	}
	check(t, process.Process.Kill())
	_ = process.Wait() // it says that it was killed
	killed, err := os.ReadFile(state)
	check(t, err)
	if !bytes.Contains(killed, []byte(`"mode":"isolated"`)) {
		t.Fatalf("nothing was written down: %q", killed)
	}
	var reports []string
	for _, more := range []string{"", " --state " + state} {
		code, _, errs := colaverify(t, t.Context(), strings.Fields("--layerwise --golden exact-ops --json "+report+more)...)
		if code != command.Good {
			t.Fatalf("code %d: %s", code, errs)
		}
		reports = append(reports, withoutSeconds(t, report))
	}
	if reports[0] != reports[1] {
		t.Error("another report than that of a run that was not killed")
	}
}

func withoutSeconds(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	check(t, err)
	var suite map[string]any
	check(t, json.Unmarshal(raw, &suite))
	for _, r := range suite["reports"].([]any) {
		delete(r.(map[string]any), "seconds")
	}
	raw, err = json.Marshal(suite)
	check(t, err)
	return string(raw)
}

func TestStateFlag(t *testing.T) {
	dir := t.TempDir()
	state := filepath.Join(dir, "run.state")
	other := artifact(t, checkpoint(t, "cola_dit", "blocks.0.mlp.proj_out.bias", func(v *tensor.View) { v.Data[0] ^= 1 }), quantize.F32)
	short := "--layerwise --golden exact-ops --ops mlp.out --branches encode,prefill,commit --progress none --state " + state
	tests := []struct {
		name, args string
		code       int
		errs       string
	}{
		{"a run", short, command.Good, ""},
		{"the same again", short, command.Good, ""},
		{"another selection", "--layerwise --golden exact-ops --state " + state, command.Usage, "selection \"branches encode,prefill,commit, ops mlp.out\", now \"\""},
		{"another artifact", strings.Replace(short, "--layerwise", "--layerwise "+other, 1), command.Usage, "belongs to another run (artifact "},
		{"no exact values", short + " --exact none", command.Usage, "exact reference"},
		{"over the state", short + " --json " + state, command.Usage, "the state of the run"},
		{"a folder", strings.ReplaceAll(short, state, dir), command.Usage, "--state: "},
	}
	for _, tt := range tests {
		code, _, errs := colaverify(t, t.Context(), strings.Fields(tt.args)...)
		if code != tt.code || !strings.Contains(errs, tt.errs) {
			t.Errorf("%s: code %d, %q; want %d, %q", tt.name, code, errs, tt.code, tt.errs)
		}
	}
}
