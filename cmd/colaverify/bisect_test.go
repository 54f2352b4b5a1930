package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"colakit/convert"
	"colakit/internal/command"
	"colakit/quantize"
	"colakit/verify/bisect"
)

// bisected runs bisect and reads its result.
func bisected(t *testing.T, args ...string) *bisect.Report {
	t.Helper()
	code, out, stderr := colaverify(t, context.Background(), append(append([]string{"bisect"}, args...), "--json", "-")...)
	var r bisect.Report
	if err := json.Unmarshal([]byte(out), &r); code != command.Good || stderr != "" || err != nil || r.Schema != bisect.Schema {
		t.Fatalf("%v: code %d, error %q, %v\n%s", args, code, stderr, err, out)
	}
	return &r
}

// TestBisectRules: an artifact converted by the rules of a bisection drifts as little as
// the bisection says.
func TestBisectRules(t *testing.T) {
	source := checkpoint(t, "", "", nil)
	before := bisected(t, append([]string{"tiny", artifact(t, source, quantize.Int8)}, brief...)...)
	if len(before.Rules) == 0 || before.Kept == nil {
		t.Fatalf("no rules: %+v", before)
	}
	o := convert.Options{Source: source, Type: quantize.Int8}
	for _, text := range before.Rules {
		rule, err := quantize.ParseRule(text)
		check(t, err)
		o.Rules = append(o.Rules, rule)
	}
	mixed := filepath.Join(t.TempDir(), "mixed.cola")
	c, err := convert.Prepare(o)
	check(t, err)
	defer c.Close()
	_, err = c.Execute(context.Background(), mixed, convert.ExecuteOptions{})
	check(t, err)
	after := bisected(t, append([]string{"tiny", mixed, "--by", "stages"}, brief...)...)
	if w := before.Whole; !(after.Whole.Latents < w.Latents/2) || after.Whole != *before.Kept {
		t.Errorf("the drift was %v, is %v and was to be %v by %q", w, after.Whole, *before.Kept, before.Rules)
	}
}

// TestBisect: text, files and state.
func TestBisect(t *testing.T) {
	dir := t.TempDir()
	state, result := filepath.Join(dir, "state"), filepath.Join(dir, "result.json")
	args := append([]string{"bisect", "tiny", "tiny", "--contract-b", "released", "--by", "branches", "--state", state, "--json", result}, brief...)
	var first string
	for i := range 2 {
		code, out, stderr := colaverify(t, context.Background(), args...)
		if code != command.Good || stderr != "" || !strings.Contains(out, "uncond") || !strings.Contains(out, "of its square is gone with") {
			t.Fatalf("code %d, error %q\n%s", code, stderr, out)
		}
		raw, err := os.ReadFile(result)
		check(t, err)
		if i > 0 && string(raw) != first {
			t.Errorf("another result from the state:\n%s\n%s", raw, first)
		}
		first = string(raw)
	}
	for says, flags := range map[string][]string{
		"another bisection": {"--state", state, "--guidance", "3"},
		"--by":              {"--by", "days"},
		"--json":            {"--json", state, "--state", state},
	} {
		code, out, stderr := colaverify(t, context.Background(), append([]string{"bisect", "tiny", "tiny", "One day Ben"}, flags...)...)
		if code != command.Usage || out != "" || !strings.Contains(stderr, says) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%v: code %d, error %q", flags, code, stderr)
		}
	}
}
