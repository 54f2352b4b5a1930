package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"colakit/convert"
	"colakit/golden"
	"colakit/internal/command"
	"colakit/quantize"
)

// TestOutputIsNoInput: what is read is never written to, whatever it is called.
func TestOutputIsNoInput(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if _, err := convert.FS(t.Context(), golden.Tiny(), "model.cola", convert.Options{Type: quantize.F32}); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"prompts.jsonl": "{\"prompt\": \"Max\"}\n", "tokenizer.json": string(tinyTokenizerFile(t))} {
		if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("model.cola", "link"); err != nil {
		t.Skip("not run: ", err)
	}
	for _, c := range []struct{ output, reads string }{
		{"model.cola", "model.cola"},
		{filepath.Join(dir, "model.cola"), "model.cola"},
		{"link", "model.cola"},
		{"./prompts.jsonl", "prompts.jsonl"},
		{"tokenizer.json", "tokenizer.json"},
	} {
		before, err := os.ReadFile(c.reads)
		if err != nil {
			t.Fatal(err)
		}
		code, stdout, stderr := runCola(t, "", "generate", "model.cola", "--input", "prompts.jsonl", "--tokenizer", "tokenizer.json", "--output", c.output, "--max-new-tokens", "4")
		if code != command.Usage || stdout != "" || !strings.Contains(stderr, "--output: ") || !strings.Contains(stderr, "which would be lost") || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s: exit code %d, %q", c.output, code, stderr)
		}
		if after, _ := os.ReadFile(c.reads); string(after) != string(before) {
			t.Errorf("%s was overwritten by --output %s", c.reads, c.output)
		}
	}
}

// TestOutputAfterAnError: the earlier file stays, and nothing beside it.
func TestOutputAfterAnError(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out.jsonl")
	if err := os.WriteFile(path, []byte("old"), 0o666); err != nil {
		t.Fatal(err)
	}
	records := "{\"prompt\": \"Max\"}\n{\"prompt\": \"\"}\n" // the second one fails after the first one is written
	code, _, _ := runCola(t, records, "generate", "tiny", "--input", "-", "--output", path, "--batch-size", "1", "--max-new-tokens", "4")
	left, _ := os.ReadDir(dir)
	if got, _ := os.ReadFile(path); code != command.Usage || string(got) != "old" || len(left) != 1 {
		t.Errorf("exit code %d, %q among %d files", code, got, len(left))
	}
}

func TestOutputDash(t *testing.T) {
	t.Chdir(t.TempDir())
	code, stdout, stderr := runCola(t, "", "generate", "tiny", "Max", "--output", "-", "--max-new-tokens", "4")
	if code != command.Good || !strings.HasPrefix(stdout, `{"id": 0, "prompt": "Max"`) || stderr != "" {
		t.Errorf("exit code %d, %q, %q", code, stdout, stderr)
	}
	if left, _ := os.ReadDir("."); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
