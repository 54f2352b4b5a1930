package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"colakit/internal/command"
)

// contents returns the files at a path, a file itself or those of a folder.
func contents(t *testing.T, path string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files[strings.TrimPrefix(name, path)] = string(read(t, name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestTo: converting to a format is converting and exporting, to the byte.
func TestTo(t *testing.T) {
	src := checkpoint(t)
	for format, types := range map[string]string{"safetensors": "bf16", "compressed-tensors": "int8-g32", "gguf": "f16"} {
		dir := t.TempDir()
		cola, want, got := filepath.Join(dir, "x.cola"), filepath.Join(dir, "want"), filepath.Join(dir, "got")
		for _, args := range [][]string{
			{"convert", src, "-o", cola, "--type", types},
			{"export", cola, "--to", format, "-o", want},
			{"convert", src, "-o", got, "--type", types, "--to", format},
			{"convert", src, "-o", got, "--type", types, "--to", format, "--force", "--json", "--jobs", "1"},
		} {
			if code, _, stderr := colaconv(t, args...); code != 0 || stderr != "" {
				t.Fatalf("%q: code %d, %s", args, code, stderr)
			}
		}
		a, b := contents(t, want), contents(t, got)
		if len(a) == 0 || len(a) != len(b) {
			t.Errorf("%s: %d files, want %d", format, len(b), len(a))
		}
		for name := range a {
			if a[name] != b[name] {
				t.Errorf("%s: %q differs", format, name)
			}
		}
		onlyIn(t, dir, "got", "want", "x.cola")
	}
}

// TestToRefused: what can be refused at once is, and nothing is left of the rest.
func TestToRefused(t *testing.T) {
	src, dir := checkpoint(t), t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte(previous), 0o644); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-o", out, "--to", "onnx"}, `unknown format "onnx"`},
		{[]string{"-o", file, "--to", "gguf"}, "exists already"},
		{[]string{"-o", file, "--to", "safetensors", "--force"}, "is a file, and this format is a folder"},
		{[]string{"-o", out, "--to", "gguf", "--resume"}, "--resume is for .cola"},
		{[]string{"-o", out, "--to", "gguf", "--dry-run"}, "--dry-run is for .cola"},
		{[]string{"-o", out, "--to", "compressed-tensors"}, "int8"},
		{[]string{"-o", out, "--to", "gguf", "--ada", "table"}, "converted with --ada full"},
	} {
		code, stdout, stderr := colaconv(t, append([]string{"convert", src}, c.args...)...)
		if code != command.Usage || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, c.want) {
			t.Errorf("%q: code %d\nstdout %q\nstderr %q", c.args, code, stdout, stderr)
		}
	}
	onlyIn(t, dir, "file")
}
