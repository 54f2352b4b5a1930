package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOutput(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out.jsonl")
	if err := os.WriteFile(path, []byte("old"), 0o666); err != nil {
		t.Fatal(err)
	}
	write := func(commit bool) {
		t.Helper()
		out, err := createOutput(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer out.abandon()
		if _, err := out.Write([]byte("new")); err != nil {
			t.Fatal(err)
		}
		if got, _ := os.ReadFile(path); string(got) != "old" {
			t.Errorf("%q before the end", got)
		}
		if commit {
			if err := out.commit(); err != nil {
				t.Fatal(err)
			}
		}
	}
	write(false)
	write(true)
	if got, _ := os.ReadFile(path); string(got) != "new" {
		t.Errorf("%q after commit", got)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
	if _, err := createOutput(filepath.Join(dir, "missing", "x"), nil); err == nil {
		t.Error("a missing folder is noticed too late")
	}
	var stream strings.Builder
	out, err := createOutput("", &stream)
	if err != nil {
		t.Fatal(err)
	}
	defer out.abandon()
	if _, err := out.Write([]byte("x")); err != nil || out.commit() != nil || stream.String() != "x" {
		t.Errorf("stream: %q, %v", stream.String(), err)
	}
}
