package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTokenizer takes the tokenizer from where --tokenizer says, for convert and
// for plan; without it a checkpoint that has none is refused.
func TestTokenizer(t *testing.T) {
	src := checkpoint(t)
	elsewhere := filepath.Join(t.TempDir(), "t.json")
	if err := os.Rename(filepath.Join(src, "tokenizer.json"), elsewhere); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "out.cola")
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"plan", src}, 2, "--tokenizer"},
		{[]string{"convert", src, "-o", out}, 2, "--tokenizer"},
		{[]string{"convert", src, "-o", out, "--tokenizer", src}, 2, src},
		{[]string{"plan", src, "--tokenizer", elsewhere}, 0, ""},
		{[]string{"convert", src, "-o", out, "--tokenizer", elsewhere}, 0, ""},
	} {
		if code, _, errs := colaconv(t, c.args...); code != c.code || !strings.Contains(errs, c.says) {
			t.Errorf("%q: code %d, want %d; %q", c.args, code, c.code, errs)
		}
	}
	if _, text, _ := colaconv(t, "inspect", out); !strings.Contains(text, "tokenizer  38.4 kB") {
		t.Errorf("the artifact holds no tokenizer:\n%.600s", text)
	}
}
