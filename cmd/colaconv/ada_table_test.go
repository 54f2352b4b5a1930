package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestAdaTable converts to a table, by flags and by recipe, and goes through what
// the other commands say of it.
func TestAdaTable(t *testing.T) {
	src, dir := checkpoint(t), t.TempDir()
	out, again := filepath.Join(dir, "table.cola"), filepath.Join(dir, "again.cola")
	for _, c := range []struct {
		args []string
		code int
		out  string // part of stdout
		errs string // part of stderr; "" for none at all
	}{
		{[]string{"plan", src, "--ada", "table"}, 0, "replaced by the AdaLN table", ""},
		{[]string{"plan", src, "--ada", "table", "--json"}, 0, `"dropped": [`, ""},
		{[]string{"convert", src, "-o", out, "--ada", "table", "--dry-run"}, 0, "dropped  40 tensors", ""},
		{[]string{"convert", src, "-o", out, "--type", "int8", "--ada", "table", "--ada-steps", "8", "--ada-contract", "released", "--jobs", "1"}, 0, "T = 1000 in 8 steps under the released contract", ""},
		{[]string{"convert", src, "-o", again, "--recipe", out}, 0, "T = 1000 in 8 steps under the released contract", ""},
		{[]string{"diff", out, again}, 0, "", ""},
		{[]string{"check", out}, 0, "T = 1000 in 8 steps under the released contract", ""},
		{[]string{"inspect", out}, 0, "40 tensors of weights, blake3", ""},
		{[]string{"inspect", out, "dit.ada_table.modulations"}, 0, "bf16 [9, 3328]", ""},
		{[]string{"explain", out, "dit.ada_table.modulations"}, 0, "T = 1000 in 8 steps under the released contract", ""},
		{[]string{"explain", out, "dit.blocks.0.ada.msa_in.1.weight"}, 2, "", "replaced by the AdaLN table"},
		{[]string{"export", out, "--to", "safetensors", "-o", filepath.Join(dir, "hf")}, 2, "", "converted with --ada full"},
		{[]string{"export", out, "--to", "gguf", "-o", filepath.Join(dir, "x.gguf")}, 2, "", "converted with --ada full"},
		{[]string{"plan", src, "--ada", "half"}, 2, "", "known are full and table"},
		{[]string{"plan", src, "--ada-steps", "8"}, 2, "", "give --ada table"},
		{[]string{"plan", src, "--ada", "table", "--ada-steps", "0"}, 2, "", "0 steps"},
		{[]string{"plan", src, "--ada", "table", "--ada-contract", "strict"}, 2, "", "known are exact and released"},
		{[]string{"plan", src, "--ada", "table", "--recipe", out}, 2, "", "--recipe decides what --ada would"},
	} {
		code, stdout, stderr := colaconv(t, c.args...)
		if code != c.code || !strings.Contains(stdout, c.out) || !strings.Contains(stderr, c.errs) || c.errs == "" && stderr != "" {
			t.Errorf("colaconv %q: code %d, want %d\nstdout %q\nstderr %q", c.args, code, c.code, stdout, stderr)
		}
	}
}
