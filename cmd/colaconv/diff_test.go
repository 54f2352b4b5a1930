package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"colakit/internal/command"
)

// TestLook goes through inspect, explain and diff on a checkpoint and its
// artifacts: exit codes, streams and JSON.
func TestLook(t *testing.T) {
	src, dir := checkpoint(t), t.TempDir()
	exact, rounded, broken := filepath.Join(dir, "f32.cola"), filepath.Join(dir, "bf16.cola"), filepath.Join(dir, "broken.cola")
	for out, kind := range map[string]string{exact: "f32", rounded: "bf16"} {
		if code, _, errs := colaconv(t, "convert", src, "-o", out, "--type", kind); code != 0 {
			t.Fatal(errs)
		}
	}
	data, err := os.ReadFile(exact)
	if err != nil {
		t.Fatal(err)
	}
	damaged := bytes.Clone(data)
	damaged[200] ^= 4
	if err := os.WriteFile(broken, damaged, 0o644); err != nil {
		t.Fatal(err)
	}
	const name = "dit.txt_in.proj.weight"
	for _, c := range []struct {
		args []string
		code int
		out  string // part of stdout
		errs string // part of stderr; "" for none at all
	}{
		{[]string{"inspect", src}, 0, "checkpoint", ""},
		{[]string{"inspect", src, "--json"}, 0, `"schema": "colakit.inspect/1"`, ""},
		{[]string{"inspect", filepath.Join(src, "cola_vae"), "encoder.wte.weight", "--json"}, 0, `"schema": "colakit.tensor/1"`, ""},
		{[]string{"inspect", t.TempDir()}, 2, "", "no weights lie in it"},
		{[]string{"explain", rounded, name}, 0, "cola_dit/model.safetensors", ""},
		{[]string{"explain", rounded, name, "--json"}, 0, `"schema": "colakit.explain/1"`, ""},
		{[]string{"explain", src, name}, 0, "latent-projection", ""},
		{[]string{"explain", rounded, "txt_in"}, 2, "", "nearest name"},
		{[]string{"explain", rounded}, 2, "", "the argument TENSOR is missing"},
		{[]string{"explain", broken, name}, 3, "cola_dit/model.safetensors", "checksum does not match"},
		{[]string{"explain", broken, name, "--json"}, 3, `"damage"`, "checksum does not match"},
		{[]string{"inspect", broken, name, "--json"}, 3, `"damage"`, "checksum does not match"},
		{[]string{"diff", src, exact}, 0, "equal: ", ""},
		{[]string{"diff", exact, rounded}, 1, "different: ", "f32.cola and "},
		{[]string{"diff", exact, rounded, "--all"}, 1, "dit.txt_in.proj.bias", "differ"},
		{[]string{"diff", exact, rounded, "--tolerance", "0.01"}, 0, "equal within rel-L2 0.01", ""},
		{[]string{"diff", exact, rounded, "--json", "--jobs", "2"}, 1, `"schema": "colakit.diff/1"`, "differ"},
		{[]string{"diff", exact, filepath.Join(src, "cola_vae")}, 1, "only in A", "only in A"},
		{[]string{"diff", exact, broken}, 3, "", "checksum does not match"},
		{[]string{"diff", exact}, 2, "", "the argument B is missing"},
		{[]string{"diff", exact, exact + "x"}, 2, "", "no such file"},
		{[]string{"diff", exact, exact, "--tolerance", "-1"}, 2, "", "--tolerance"},
		{[]string{"diff", exact, exact, "--jobs", "-1"}, 2, "", "--jobs"},
		{[]string{"diff", exact, exact, "--progress", "loud"}, 2, "", "--progress"},
	} {
		code, stdout, stderr := colaconv(t, c.args...)
		if code != c.code || !strings.Contains(stdout, c.out) || !strings.Contains(stderr, c.errs) || strings.Count(stderr, "\n") > 1 || c.errs == "" && stderr != "" {
			t.Errorf("colaconv %q: code %d, want %d\nstdout %q\nstderr %q", c.args, code, c.code, stdout, stderr)
		}
		if c.code != command.Usage && strings.Contains(strings.Join(c.args, " "), "--json") && !json.Valid([]byte(stdout)) {
			t.Errorf("colaconv %q: stdout is not JSON: %q", c.args, stdout)
		}
	}
}

// TestDamagedJSON: what can be read of a damaged file of each format is JSON, too,
// and the exit code says that it is damaged.
func TestDamagedJSON(t *testing.T) {
	src := checkpoint(t)
	out := filepath.Join(t.TempDir(), "x.cola")
	if code, _, errs := colaconv(t, "convert", src, "-o", out); code != 0 {
		t.Fatal(errs)
	}
	weights := filepath.Join(src, "cola_dit", "model.safetensors")
	for _, path := range []string{out, weights} {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data[:len(data)-7], 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{out, weights, src} {
		code, stdout, stderr := colaconv(t, "inspect", path, "--json")
		var report struct{ Damage struct{ Error string } }
		if err := json.Unmarshal([]byte(stdout), &report); err != nil || code != command.Integrity || strings.Count(stderr, "\n") != 1 ||
			!strings.Contains(stderr, report.Damage.Error) || report.Damage.Error == "" {
			t.Errorf("%s: code %d, %v, %q\n%s", path, code, err, stderr, stdout)
		}
	}
}
