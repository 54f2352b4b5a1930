package main

import (
	"encoding/json"
	"strings"
	"testing"

	"colakit/cmd/internal/bench"
	"colakit/cmd/internal/model"
	"colakit/internal/command"
	"colakit/kernels"
)

// fast are flags of a measurement that takes no time.
var fast = []string{"bench", "tiny", "--steps", "1", "--blocks", "1", "--runs", "1", "--warm-up", "0", "--prompt-tokens", "4", "--progress", "none"}

// TestBench measures engines side by side, and says which could not run.
func TestBench(t *testing.T) {
	emulated(t)
	_, missing := model.EngineFlags{Name: kernels.CUDA}.Choose()
	args := append(fast, "--engine", "reference,emulated,cuda", "--device-memory", "100MB")
	code, stdout, stderr := runCola(t, "", append(args, "--json")...)
	var r bench.Report
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || code != command.Good || stderr != "" {
		t.Fatalf("exit code %d, %v, %s", code, err, stderr)
	}
	if len(r.Engines) != 3 || r.Engines[0].Speed <= 0 || r.Engines[1].Engine != "emulated" || len(r.Engines[1].Kernels) == 0 || (r.Engines[2].NotRun != "") != (missing != nil) {
		t.Errorf("%s", stdout)
	}
	code, stdout, stderr = runCola(t, "", args...)
	if code != command.Good || !strings.Contains(stdout, "step, cond and uncond") || !strings.Contains(stdout, "layernorm") || stderr != "" {
		t.Errorf("exit code %d, %s\n%s", code, stdout, stderr)
	}
	if missing != nil && !strings.Contains(stdout, "cuda: not run: ") {
		t.Errorf("%s", stdout)
	}
}

func TestBenchErrors(t *testing.T) {
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"tiny --batch 0", command.Usage, "--batch is 0; want 1 or more"},
		{"tiny --engine abacus", command.Usage, `unknown engine "abacus"`},
		{"tiny --released", command.Usage, `both --released and "tiny"`},
		{"--json", command.Usage, "want one MODEL.cola, tiny or --released"},
		{"tiny --layers 2", command.Usage, "--layers is for --released"},
		{"tiny --contract loose", command.Usage, "--contract"},
		{"tiny --engine cuda --devices 97 --progress none", command.Incomplete, "no engine could run"},
		{"none.cola", command.Usage, "none.cola"},
	} {
		code, _, stderr := runCola(t, "", append([]string{"bench"}, strings.Fields(c.args)...)...)
		if code != c.code || !strings.Contains(stderr, c.want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s: exit code %d, stderr %q; want %d and %q", c.args, code, stderr, c.code, c.want)
		}
	}
}
