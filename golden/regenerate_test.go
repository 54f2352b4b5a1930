package golden

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRegenerate exports the committed bundles again and compares every tap's
// bytes. It runs where COLAKIT_PYTHON names a Python that can import cola_dlm
// (from the folder COLA_DLM, where that is set).
func TestRegenerate(t *testing.T) {
	python := os.Getenv("COLAKIT_PYTHON")
	if python == "" {
		t.Skip("not run: COLAKIT_PYTHON names no Python with golden/requirements.txt, so nothing was exported or compared")
	}
	out := filepath.Join(t.TempDir(), "bundles")
	probe := exec.CommandContext(t.Context(), python, "-c", "import os, sys; sys.path.insert(0, os.environ.get('COLA_DLM', '')); import cola_dlm")
	if text, err := probe.CombinedOutput(); err != nil {
		t.Skipf("not run: %s cannot import cola_dlm (set COLA_DLM to the folder that holds it), so nothing was exported or compared: %.300s", python, text)
	}
	if text, err := exec.CommandContext(t.Context(), "./regenerate.sh", out).CombinedOutput(); err != nil {
		t.Fatalf("regenerate.sh: %v\n%s", err, text)
	}
	for _, e := range TinyBundles() {
		again, err := Open(filepath.Join(out, e.Name))
		if err != nil {
			t.Fatal(err)
		}
		compareBundles(t, e.Name, opened(t, e.Files), again)
		if err := again.Close(); err != nil {
			t.Error(err)
		}
	}
}

// compareBundles compares all that a run computes; the environment may differ.
func compareBundles(t *testing.T, name string, committed, again *Bundle) {
	t.Helper()
	a, b := committed.Info, again.Info
	for i, tap := range a.Taps {
		if i >= len(b.Taps) || !cmp.Equal(tap, b.Taps[i]) {
			t.Errorf("%s: the first tap that differs is %s", name, cmp.Diff(tap, at(b.Taps, i)))
			break
		}
	}
	if len(b.Taps) > len(a.Taps) {
		t.Errorf("%s: %d taps are new, the first is %s", name, len(b.Taps)-len(a.Taps), b.Taps[len(a.Taps)].Name)
	}
	for _, diff := range []string{cmp.Diff(a.Run, b.Run), cmp.Diff(a.Samples, b.Samples), cmp.Diff(a.LogitRows, b.LogitRows), cmp.Diff(a.Floors, b.Floors)} {
		if diff != "" {
			t.Errorf("%s: committed (-) and regenerated (+): %s", name, diff)
		}
	}
}

func at(taps []Tap, i int) Tap {
	if i < len(taps) {
		return taps[i]
	}
	return Tap{}
}
