package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"colakit/convert"
	"colakit/internal/command"
	"colakit/quantize"
)

// planned returns the plan that the flags make for the embedded model.
func planned(t *testing.T, src string, flags ...string) convert.Preview {
	t.Helper()
	code, stdout, stderr := colaconv(t, append([]string{"plan", src, "--json", "--probe", "0"}, flags...)...)
	var p convert.Preview
	if err := json.Unmarshal([]byte(stdout), &p); code != 0 || stderr != "" || err != nil {
		t.Fatalf("plan %q: code %d, %q, %v", flags, code, stderr, err)
	}
	return p
}

// typeOf returns the planned type of a tensor.
func typeOf(t *testing.T, p convert.Preview, tensor string) quantize.Scheme {
	t.Helper()
	for _, s := range p.Steps {
		if s.Tensor == tensor {
			return s.To
		}
	}
	t.Fatalf("no tensor %q is planned", tensor)
	return quantize.Scheme{}
}

// TestPlanFlags checks what every flag changes in the plan.
func TestPlanFlags(t *testing.T) {
	src := checkpoint(t)
	const trunk, head, norm = "dit.blocks.0.mlp.proj_in.weight", "vae.decoder.final_layer.weight", "vae.decoder.final_norm.weight"
	for _, c := range []struct {
		flags             []string
		trunk, head, norm string
	}{
		{nil, "f32", "f32", "f32"},
		{[]string{"--type", "f16"}, "f16", "f16", "f32"},
		{[]string{"--type", "int8"}, "int8", "f16", "f32"},
		{[]string{"--type", "int8-g32"}, "int8-g32", "f16", "f32"},
		{[]string{"--type", "int8-g64"}, "int8-g64", "f16", "f32"},
		{[]string{"--type", "int8-g128"}, "int8-g128", "f16", "f32"},
		{[]string{"--type", "int8", "--clip", "mse"}, "int8-mse", "f16", "f32"},
		{[]string{"--rule", "final_layer=bf16"}, "f32", "bf16", "f32"},
		{[]string{"--type", "bf16", "--rule", "mlp=f32", "--rule", `mlp|decoder\.final_layer\.weight=int8`, "--clip", "mse"}, "f32", "int8-mse", "f32"},
		{[]string{"--type", "f16", "--rule", "final_norm=bf16"}, "f16", "f16", "bf16"},
	} {
		p := planned(t, src, c.flags...)
		got := []string{typeOf(t, p, trunk).String(), typeOf(t, p, head).String(), typeOf(t, p, norm).String()}
		if want := []string{c.trunk, c.head, c.norm}; strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%q: planned %q, want %q", c.flags, got, want)
		}
	}
	if p := planned(t, src, "--jobs", "3", "--sha256", "--overflow", "clamp"); p.Memory.Jobs != 3 || !p.SHA256 || p.Overflow != convert.OverflowClamp {
		t.Errorf("planned %+v", p.Memory)
	}
	free, limited := planned(t, src, "--jobs", "8"), planned(t, src, "--jobs", "8", "--max-rss", "32MB")
	if limited.Memory.Limit != 32e6 || limited.Memory.Peak > 32e6 || limited.Memory.Tiles >= free.Memory.Tiles {
		t.Errorf("32 MB: %+v, without a limit %+v", limited.Memory, free.Memory)
	}
	if p := planned(t, src, "--no-tokenizer"); p.OutputBytes >= free.OutputBytes || len(p.Notes) == 0 {
		t.Errorf("without tokenizer: %d bytes of %d, notes %q", p.OutputBytes, free.OutputBytes, p.Notes)
	}
}

// TestPlanText prints the table and the totals, with an estimate.
func TestPlanText(t *testing.T) {
	src := checkpoint(t)
	code, stdout, stderr := colaconv(t, "plan", src, "--type", "int8", "--probe", "5ms", "-o", filepath.Join(t.TempDir(), "x.cola"))
	for _, want := range []string{"reason", "dit.txt_in.proj.weight", "quantised to int8", "  output ", "  disk ", "  memory ", "  time "} {
		if code != 0 || stderr != "" || !strings.Contains(stdout, want) {
			t.Errorf("code %d, %q: lacks %q", code, stderr, want)
		}
	}
}

// TestDryRun writes nothing, and says what plan does.
func TestDryRun(t *testing.T) {
	src, dir := checkpoint(t), t.TempDir()
	code, stdout, _ := colaconv(t, "convert", src, "-o", filepath.Join(dir, "x.cola"), "--type", "f16", "--dry-run", "--json")
	var p convert.Preview
	if err := json.Unmarshal([]byte(stdout), &p); code != 0 || err != nil || len(p.Steps) != len(planned(t, src).Steps) {
		t.Errorf("code %d, %v, %d tensors", code, err, len(p.Steps))
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("something was written: %v, %v", entries, err)
	}
	code, _, stderr := colaconv(t, "convert", src, "-o", outputs(t), "--dry-run")
	if code != command.Usage || !strings.Contains(stderr, "exists already") {
		t.Errorf("an output that is there: code %d, %q", code, stderr)
	}
}

// TestConvertFlags checks what flags change in the artifact: a recipe gives the same
// bytes, and the summary is there as JSON.
func TestConvertFlags(t *testing.T) {
	src, dir := checkpoint(t), t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	run := func(args ...string) string {
		t.Helper()
		code, stdout, stderr := colaconv(t, args...)
		if code != 0 || stderr != "" {
			t.Fatalf("%q: code %d, %q", args, code, stderr)
		}
		return stdout
	}
	options := []string{"--type", "int8-g64", "--clip", "mse", "--rule", "ada=bf16", "--sha256", "--overflow", "bf16"}
	summary := run(append([]string{"convert", src, "--json", "-o", path("a.cola")}, options...)...)
	var s convert.Summary
	if err := json.Unmarshal([]byte(summary), &s); err != nil || s.OutputBytes == 0 || len(s.Results) != s.Tensors {
		t.Errorf("summary: %v, %+v", err, s)
	}
	if err := os.WriteFile(path("plan.json"), []byte(run(append([]string{"plan", src, "--json"}, options...)...)), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path("inspect.json"), []byte(run("inspect", path("a.cola"), "--json")), 0o644); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(path("a.cola"))
	if err != nil {
		t.Fatal(err)
	}
	for _, recipe := range []string{"plan.json", "inspect.json", "a.cola"} {
		run("convert", src, "--recipe", path(recipe), "-o", path("b.cola"), "--force")
		if got, err := os.ReadFile(path("b.cola")); err != nil || !bytes.Equal(got, want) {
			t.Errorf("by recipe %s: other bytes, %v", recipe, err)
		}
		kept, err := os.ReadFile(path(recipe))
		code, _, stderr := colaconv(t, "convert", src, "--recipe", path(recipe), "-o", path(recipe), "--force")
		if after, _ := os.ReadFile(path(recipe)); err != nil || code != command.Usage || !strings.Contains(stderr, "is the file of --recipe") || !bytes.Equal(after, kept) {
			t.Errorf("over the recipe %s: code %d, %q", recipe, code, stderr)
		}
	}
	run("convert", src, "-o", path("c.cola"), "--resume", "--max-rss", "30MB")
	run("check", path("c.cola"))
	if text := run("inspect", path("a.cola"), "--json"); !strings.Contains(text, `"sha256": "`) {
		t.Error("no SHA-256 is noted")
	}
}

// TestOptionErrors: every option that makes no sense is one line and code 2, and
// nothing is written.
func TestOptionErrors(t *testing.T) {
	src := checkpoint(t)
	plan := filepath.Join(t.TempDir(), "plan.json")
	if err := os.WriteFile(plan, []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	for want, flags := range map[string][]string{
		"known are f32, f16, bf16, int8, int8-g32, int8-g64, int8-g128": {"--type", "int4"},
		"want REGEX=TYPE":                    {"--rule", "mlp"},
		"missing closing )":                  {"--rule", "(mlp=f16"},
		"decides about no tensor":            {"--rule", "mpl=f16"},
		"only matrices":                      {"--rule", "bias=int8"},
		"known are none, mse":                {"--clip", "percentile", "--type", "int8"},
		"nothing is stored as int8":          {"--clip", "mse", "--type", "f16"},
		"known are fail, bf16, f32, clamp":   {"--overflow", "wrap"},
		"is no number of bytes":              {"--max-rss", "lots"},
		"more than the limit of 5.00 MB":     {"--max-rss", "5MB"},
		"--recipe decides what --type would": {"--recipe", plan, "--type", "f32"},
		"--recipe decides what --rule would": {"--recipe", plan, "--rule", "a=f16"},
		"--recipe decides what --clip would": {"--recipe", plan, "--clip", "mse"},
		"--recipe decides what --overflow":   {"--recipe", plan, "--overflow", "clamp"},
		"holds no plan":                      {"--recipe", plan},
		"no such file":                       {"--recipe", plan + "x"},
	} {
		dir := t.TempDir()
		for _, verb := range []string{"plan", "convert"} {
			code, stdout, stderr := colaconv(t, append([]string{verb, src, "-o", filepath.Join(dir, "x.cola")}, flags...)...)
			if code != command.Usage || stdout != "" || !strings.Contains(stderr, want) || strings.Count(stderr, "\n") != 1 {
				t.Errorf("%s %q: code %d\nstdout %q\nstderr %q", verb, flags, code, stdout, stderr)
			}
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
			t.Errorf("%q: something was written: %v, %v", flags, entries, err)
		}
	}
	for want, args := range map[string][]string{
		"the argument SRC is missing":     {"plan"},
		"want a time, or 0":               {"plan", src, "--probe", "-1s"},
		"known are auto, bar, json, none": {"plan", src, "--progress", "loud"},
		"--jobs":                          {"plan", src, "--jobs", "-2"},
		"exists already":                  {"plan", src, "-o", outputs(t)},
	} {
		code, stdout, stderr := colaconv(t, args...)
		if code != command.Usage || stdout != "" || !strings.Contains(stderr, want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%q: code %d\nstdout %q\nstderr %q", args, code, stdout, stderr)
		}
	}
}
