package golden

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
)

// TestWriterRepeats writes an embedded bundle anew: everything that is read of it
// is the same.
func TestWriterRepeats(t *testing.T) {
	want, err := OpenFS(TinyBundles()[0].Files)
	if err != nil {
		t.Fatal(err)
	}
	defer want.Close()
	dir := filepath.Join(t.TempDir(), "again")
	w, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, tap := range want.Info.Taps {
		v, err := want.Read(tap.Name)
		if err != nil {
			t.Fatal(err)
		}
		run, err := dtype.Parse(tap.RunType)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Add(tap.Name, v, run); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Finish(want.Info); err != nil {
		t.Fatal(err)
	}
	got, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	if err := got.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	info := got.Info
	info.Files, info.Model.DiT, info.Model.VAE = want.Info.Files, want.Info.Model.DiT, want.Info.Model.VAE
	for _, config := range [][2]json.RawMessage{{want.Info.Model.DiT, got.Info.Model.DiT}, {want.Info.Model.VAE, got.Info.Model.VAE}} {
		var compact bytes.Buffer
		if err := json.Compact(&compact, config[0]); err != nil || !bytes.Equal(compact.Bytes(), config[1]) {
			t.Errorf("%v: configuration %s", err, config[1])
		}
	}
	for i := range info.Taps {
		info.Taps[i].File = want.Info.Taps[i].File
	}
	if d := cmp.Diff(want.Info, info); d != "" {
		t.Error(d)
	}
}

func TestWriterRefuses(t *testing.T) {
	parent := t.TempDir()
	if _, err := Create(filepath.Join(parent, "none", "bundle")); err == nil {
		t.Error("a bundle in a folder that is not there")
	}
	dir := filepath.Join(parent, "bundle")
	w, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	value := tensor.FromFloat32s("", tensor.Shape{1, 2, 3}, make([]float32, 6))
	if err := w.Add("noise/b00", value, dtype.F32); err != nil {
		t.Fatal(err)
	}
	if err := w.Add("noise/b00", value, dtype.F32); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("error %v", err)
	}
	if err := w.Finish(Info{Contract: "mine"}); err == nil || !strings.Contains(err.Error(), `contract is "mine"`) {
		t.Errorf("error %v", err)
	}
	if left, _ := os.ReadDir(parent); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if err := os.WriteFile(filepath.Join(parent, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(parent); err == nil || !strings.Contains(err.Error(), "holds files already") {
		t.Errorf("error %v", err)
	}
}
