package model

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"colakit/convert"
	"colakit/formats/tensor"
	"colakit/golden"
	"colakit/quantize"
)

// TestTiny: the embedded model opens, and leaves nothing behind, used or not.
func TestTiny(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	m, err := Open(t.Context(), Tiny)
	if err != nil {
		t.Fatal(err)
	}
	tok, err := m.Tokenizer()
	if err != nil || tok.VocabSize() != m.Config.VAE.VocabSize {
		t.Errorf("tokenizer %v, %v", tok, err)
	}
	provenance, err := convert.ParseProvenance(m.Meta.Provenance)
	if err != nil || len(provenance.Sources) == 0 {
		t.Fatalf("provenance %+v, %v", provenance, err)
	}
	for _, s := range provenance.Sources {
		if s.SHA256 == nil {
			t.Errorf("no SHA-256 of %s, by which a golden bundle knows it", s.File)
		}
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(stopped, Tiny); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v after an interrupt", err)
	}
	if left, _ := os.ReadDir(os.TempDir()); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	broken := filepath.Join(dir, "broken.cola")
	if err := os.WriteFile(broken, []byte("\x89COLA\r\n\x1a and no more"), 0o666); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"": "empty", dir: "is a folder, not a .cola file; convert it first", broken: broken, filepath.Join(dir, "none"): "none",
	} {
		_, err := Open(t.Context(), name)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: error %v, want %q", name, err, want)
		}
		if errors.Is(err, tensor.ErrDamaged) != (name == broken) {
			t.Errorf("%q: damage or not: %v", name, err)
		}
	}
}

func TestNoTokenizer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bare.cola")
	if _, err := convert.FS(t.Context(), golden.Tiny(), path, convert.Options{Type: quantize.F32, NoTokenizer: true}); err != nil {
		t.Fatal(err)
	}
	m, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if _, err := m.Tokenizer(); !errors.Is(err, ErrNoTokenizer) {
		t.Errorf("error %v", err)
	}
	if _, err := HeldTokenizer(path); !errors.Is(err, ErrNoTokenizer) {
		t.Errorf("error %v", err)
	}
}

func TestEngine(t *testing.T) {
	if c, err := (EngineFlags{Name: DefaultEngine}).Choose(); err != nil || c.String() != DefaultEngine || c.Reason != "" {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := (EngineFlags{Name: "abacus"}).Choose(); err == nil || !strings.Contains(err.Error(), `unknown engine "abacus"; known: auto, cuda, emulated, reference`) {
		t.Errorf("error %v", err)
	}
}
