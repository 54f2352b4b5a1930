package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"colakit/internal/command"
)

// TestFlags runs the program as a command line does: the same flags give the same
// bytes, another seed gives others.
func TestFlags(t *testing.T) {
	f := small(t, t.TempDir())
	write := func(seed string) []byte {
		out := filepath.Join(t.TempDir(), "out")
		var errs bytes.Buffer
		code := program().Run(context.Background(), command.Streams{Out: io.Discard, Err: &errs}, []string{
			"--dit-config", f.dit, "--vae-config", f.vae, "--tokenizer", f.tokenizer, "--layers", "1", "--vae-blocks", "0",
			"--dtype", "bf16", "--seed", seed, "-o", out,
		})
		if code != command.Good {
			t.Fatalf("code %d: %s", code, errs.String())
		}
		if _, err := os.Stat(filepath.Join(out, "tokenizer.json")); err != nil {
			t.Error(err)
		}
		data, err := os.ReadFile(filepath.Join(out, "cola_dlm", "cola_dit", "model.safetensors"))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	one := write("1")
	if !bytes.Equal(one, write("1")) {
		t.Error("the same seed gave other bytes")
	}
	if bytes.Equal(one, write("2")) {
		t.Error("another seed gave the same bytes")
	}
}
