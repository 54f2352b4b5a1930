package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/convert"
	"colakit/formats/cola"
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
	source, plan := checkpoint(t, "", "", nil), filepath.Join(t.TempDir(), "plan.json")
	before := bisected(t, append([]string{"tiny", artifact(t, source, quantize.Int8), "--recipe", plan}, brief...)...)
	if len(before.Rules) == 0 || before.Kept == nil {
		t.Fatalf("no rules: %+v", before)
	}
	o := convert.Options{Source: source, Type: quantize.Int8}
	for _, text := range before.Rules {
		rule, err := quantize.ParseRule(text)
		check(t, err)
		o.Rules = append(o.Rules, rule)
	}
	mixed, again := filepath.Join(t.TempDir(), "mixed.cola"), filepath.Join(t.TempDir(), "again.cola")
	converted(t, o, mixed)
	recipe, err := convert.ReadRecipe(plan)
	check(t, err)
	converted(t, convert.Options{Source: source, Recipe: recipe}, again)
	if d := cmp.Diff(sumsOf(t, mixed), sumsOf(t, again)); d != "" {
		t.Errorf("by rules and by recipe (-rules +recipe):\n%s", d)
	}
	after := bisected(t, append([]string{"tiny", mixed, "--by", "stages"}, brief...)...)
	if w := before.Whole; !(after.Whole.Latents < w.Latents/2) || after.Whole != *before.Kept {
		t.Errorf("the drift was %v, is %v and was to be %v by %q", w, after.Whole, *before.Kept, before.Rules)
	}
}

func converted(t *testing.T, o convert.Options, out string) {
	t.Helper()
	c, err := convert.Prepare(o)
	check(t, err)
	defer c.Close()
	_, err = c.Execute(context.Background(), out, convert.ExecuteOptions{})
	check(t, err)
}

// sumsOf lists the types and sums of an artifact's tensors.
func sumsOf(t *testing.T, path string) map[string]string {
	t.Helper()
	f, err := cola.Open(path)
	check(t, err)
	defer f.Close()
	sums := map[string]string{}
	for _, e := range f.Entries() {
		sums[e.Name] = fmt.Sprint(e.Type, e.Sum)
	}
	return sums
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
		"convert it first":  {"--recipe", filepath.Join(dir, "plan.json")},
		"--json":            {"--json", state, "--state", state},
	} {
		code, out, stderr := colaverify(t, context.Background(), append([]string{"bisect", "tiny", "tiny", "One day Ben"}, flags...)...)
		if code != command.Usage || out != "" || !strings.Contains(stderr, says) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%v: code %d, error %q", flags, code, stderr)
		}
	}
}
