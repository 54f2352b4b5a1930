package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"colakit/internal/command"
)

func TestPolicyVerb(t *testing.T) {
	tests := []struct {
		args      string
		code      int
		out, errs string
	}{
		{"policy", command.Good, "float32 normalisation\n", ""},
		{"policy --json", command.Good, `{"schema":"colaverify-policy","rules":[{"name":"float32 copy"`, ""},
		{"policy --template", command.Good, `"rule": "exact, block"`, ""},
		{"policy --template --json", command.Usage, "", "exclude each other"},
		{"policy all", command.Usage, "", `unexpected argument "all"`},
	}
	for _, tt := range tests {
		code, out, errs := colaverify(t, t.Context(), strings.Fields(tt.args)...)
		if code != tt.code || !strings.Contains(out, tt.out) || !strings.Contains(errs, tt.errs) {
			t.Errorf("%s: code %d, %.200q, %q; want %d, %q, %q", tt.args, code, out, errs, tt.code, tt.out, tt.errs)
		}
	}
}

func TestPolicyFlag(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		check(t, os.WriteFile(path, []byte(text), 0o644))
		return path
	}
	tests := []struct {
		name, path string
		code       int
		out, errs  string
	}{
		{"two", file("two.json", `{"overrides":[{"rule":"float32 product","factor":2,"reason":"a wide test"},{"rule":"exact, free-running","factor":3,"reason":"another"}]}`),
			command.Good, "PASS of what was selected with 2 overrides  exact-ops", ""},
		{"without a reason", file("bare.json", `{"overrides":[{"rule":"float32 product","factor":2}]}`), command.Usage, "", "bare.json: override 1: rule \"float32 product\": no reason is given"},
		{"an unknown rule", file("other.json", `{"overrides":[{"rule":"float64 product","factor":2,"reason":"x"}]}`), command.Usage, "", "known are "},
		{"a large one", file("large.json", strings.Repeat(" ", maxOverrides+1)), command.Usage, "", "large.json: more than 1048576 bytes"},
		{"no file", filepath.Join(dir, "none.json"), command.Usage, "", "--policy: "},
	}
	for _, tt := range tests {
		code, out, errs := colaverify(t, t.Context(), "--layerwise", "--golden", "exact-ops", "--ops", "mlp.out", "--policy", tt.path)
		if code != tt.code || !strings.HasPrefix(out, tt.out) || !strings.Contains(errs, tt.errs) {
			t.Errorf("%s: code %d, %.200q, %q; want %d, %q, %q", tt.name, code, out, errs, tt.code, tt.out, tt.errs)
		}
	}
	path := file("read.json", `{"overrides":[{"rule":"logits","factor":2,"reason":"x"}]}`)
	if code, _, errs := colaverify(t, t.Context(), "--layerwise", "--golden", "exact-ops", "--policy", path, "--json", path); code != command.Usage || !strings.Contains(errs, "the file of overrides") {
		t.Errorf("over its own input: code %d, %q", code, errs)
	}
}
