package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"colakit/internal/command"
)

// TestExport goes through the formats, the plan, and what goes wrong.
func TestExport(t *testing.T) {
	dir := t.TempDir()
	from, folder, file := filepath.Join(dir, "tiny.cola"), filepath.Join(dir, "hf"), filepath.Join(dir, "tiny.gguf")
	if code, _, errs := colaconv(t, "convert", checkpoint(t), "-o", from); code != 0 {
		t.Fatal(errs)
	}
	damaged := filepath.Join(dir, "damaged.cola")
	raw, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	raw[5000] ^= 1
	if err := os.WriteFile(damaged, raw, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		out  string // part of stdout
		errs string // part of stderr; "" for none at all
	}{
		{[]string{from, "--to", "safetensors", "-o", folder}, 0, "read back and compared", ""},
		{[]string{from, "--to", "safetensors", "-o", folder}, 2, "", "exists already"},
		{[]string{from, "--to", "compressed-tensors", "--type", "int8", "-o", folder, "--force", "--json", "--jobs", "1"}, 0, `"action": "quantize"`, ""},
		{[]string{from, "--to", "gguf", "--type", "q8_0", "-o", file, "--progress", "json"}, 0, "32 quantised to Q8_0", `{"event":"end"`},
		{[]string{from, "--to", "gguf", "--type", "q8_0", "--dry-run"}, 0, "runs in  nothing", ""},
		{[]string{from, "--to", "safetensors", "--shard-size", "500kB", "--dry-run", "--json"}, 0, `"cola_dit/model.safetensors.index.json"`, ""},
		{[]string{from, "--to", "gguf", "--type", "q8_0", "--fallback", "q4", "--dry-run"}, 2, "", `fallback type "q4"`},
		{[]string{from, "--to", "safetensors", "--fallback", "f16", "--dry-run"}, 2, "", "safetensors holds any shape"},
		{[]string{from, "--to", "gguf"}, 2, "", "-o OUT is missing"},
		{[]string{from, "-o", file + "2"}, 2, "", "no format to export to"},
		{[]string{"--to", "gguf", "-o", file}, 2, "", "the argument FILE.cola is missing"},
		{[]string{from, "--to", "safetensors", "--shard-size", "many", "--dry-run"}, 2, "", "--shard-size"},
		{[]string{from, "--to", "gguf", "-o", file + "2", "--jobs", "-1"}, 2, "", "--jobs"},
		{[]string{from, "--to", "gguf", "-o", file + "2", "--progress", "loud"}, 2, "", "--progress"},
		{[]string{damaged, "--to", "gguf", "-o", file, "--force"}, 3, "", "checksum"},
	} {
		code, stdout, stderr := colaconv(t, append([]string{"export"}, c.args...)...)
		if code != c.code || !strings.Contains(stdout, c.out) || !strings.Contains(stderr, c.errs) || c.errs == "" && stderr != "" {
			t.Errorf("colaconv export %q: code %d, want %d\nstdout %.500q\nstderr %.500q", c.args, code, c.code, stdout, stderr)
		}
		if strings.Contains(strings.Join(c.args, " "), "--json") && !json.Valid([]byte(stdout)) {
			t.Errorf("colaconv export %q: stdout is not JSON", c.args)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.tmp-*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// TestExportInterrupted: a cancelled context is code 130, and nothing is left.
func TestExportInterrupted(t *testing.T) {
	dir := t.TempDir()
	from := filepath.Join(dir, "tiny.cola")
	if code, _, errs := colaconv(t, "convert", checkpoint(t), "-o", from); code != 0 {
		t.Fatal(errs)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var o, e bytes.Buffer
	code := program().Run(ctx, command.Streams{Out: &o, Err: &e}, []string{"export", from, "--to", "gguf", "-o", filepath.Join(dir, "x.gguf")})
	left, _ := filepath.Glob(filepath.Join(dir, "x.gguf*"))
	if code != command.Interrupted || len(left) > 0 || o.Len() > 0 {
		t.Errorf("code %d, left %q, stdout %q, stderr %q", code, left, o.String(), e.String())
	}
}
