package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"colakit/internal/command"
	"colakit/quantize"
	"colakit/verify"
)

// TestReplay verifies a spoilt artifact, and looks again at what fails.
func TestReplay(t *testing.T) {
	bad := artifact(t, checkpoint(t, "cola_dit", "blocks.2.msa.proj_out.weight", transposed), quantize.F32)
	file := filepath.Join(t.TempDir(), "failing.safetensors")
	code, _, stderr := colaverify(t, t.Context(), "--layerwise", bad, "--golden", "exact-ops", "--replay-out", file)
	if code != command.Wrong || !strings.Contains(stderr, "look at it with: colaverify replay "+file) {
		t.Fatalf("code %d, %q", code, stderr)
	}
	const says = "the golden matches if dit.blocks.2.msa.proj_out.weight is read transposed"
	code, out, stderr := colaverify(t, t.Context(), "replay", file)
	if code != command.Wrong || !strings.Contains(stderr, "not the golden's") {
		t.Errorf("code %d, %q", code, stderr)
	}
	for _, want := range []string{"FAIL  prefill/dit.blocks.2.msa.out", says, "dit.blocks.2.msa.attn [", "dit.blocks.2.msa.proj_out.weight [128, 128] f32", "Worst elements"} {
		if !strings.Contains(out, want) {
			t.Errorf("does not say %q:\n%s", want, out)
		}
	}
	code, out, _ = colaverify(t, t.Context(), "replay", file, "--json")
	var result verify.ReplayResult
	check(t, json.Unmarshal([]byte(out), &result))
	if code != command.Wrong || result.Schema != verify.ReplaySchema || result.Verdict != verify.Fail || len(result.Pairs) != 3 || len(result.Worst) == 0 || len(result.Rows) == 0 {
		t.Errorf("code %d, %+v", code, result)
	}
	code, out, stderr = colaverify(t, t.Context(), "replay", file, "--weights", "tiny")
	if code != command.Good || !strings.HasPrefix(out, "PASS") {
		t.Errorf("with the right weights: code %d, %q\n%s", code, stderr, out)
	}
}

func TestReplayRefusals(t *testing.T) {
	dir := t.TempDir()
	other := filepath.Join(dir, "other.safetensors")
	raw := []byte(`{"__metadata__":{"format":"pt"}}`)
	check(t, os.WriteFile(other, append([]byte{byte(len(raw)), 0, 0, 0, 0, 0, 0, 0}, raw...), 0o644))
	for name, tt := range map[string]struct {
		args []string
		code int
		says string
	}{
		"no file":             {[]string{"replay"}, command.Usage, "FILE is missing"},
		"not there":           {[]string{"replay", filepath.Join(dir, "none")}, command.Usage, "none"},
		"another file":        {[]string{"replay", other}, command.Integrity, "this is no replay file"},
		"over an output":      {[]string{"--layerwise", "--golden", "exact-ops", "--json", "x", "--replay-out", "./x"}, command.Usage, "both write to"},
		"in no folder":        {[]string{"--layerwise", "--golden", "exact-ops", "--replay-out", filepath.Join(dir, "none", "x")}, command.Usage, "--replay-out: "},
		"nothing to replay":   {[]string{"--layerwise", "--golden", "exact-layers", "--replay-out", filepath.Join(dir, "x")}, command.Good, "no operation failed by itself"},
		"over the artifact's": {[]string{"--layerwise", other, "--replay-out", other}, command.Usage, "is the artifact"},
	} {
		if code, _, stderr := colaverify(t, t.Context(), tt.args...); code != tt.code || !strings.Contains(stderr, tt.says) {
			t.Errorf("%s: code %d, want %d; %q, want %q", name, code, tt.code, stderr, tt.says)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "x*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
