package hf

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/formats/tensor"
)

// plant creates empty files; a name that ends in / is a folder.
func plant(t *testing.T, root string, names ...string) {
	t.Helper()
	for _, name := range names {
		path := filepath.Join(root, name)
		dir := filepath.Dir(path)
		if strings.HasSuffix(name, "/") {
			dir = path
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if dir != path {
			if err := os.WriteFile(path, []byte("{}"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestLocate(t *testing.T) {
	for _, c := range []struct {
		name, src       string
		files           []string
		home, tokenizer string
	}{
		{"released layout", "hf", []string{"hf/cola_dlm/cola_dit/", "hf/cola_dlm/cola_vae/", "hf/tokenizer.json"}, "hf/cola_dlm", "hf/tokenizer.json"},
		{"its inner folder", "hf/cola_dlm", []string{"hf/cola_dlm/cola_dit/", "hf/cola_dlm/cola_vae/", "hf/tokenizer.json"}, "hf/cola_dlm", "hf/tokenizer.json"},
		{"flat", "m", []string{"m/cola_dit/", "m/cola_vae/", "m/tokenizer.json"}, "m", "m/tokenizer.json"},
		{"a model folder", "hf/cola_dlm/cola_dit", []string{"hf/cola_dlm/cola_dit/", "hf/cola_dlm/cola_vae/", "hf/tokenizer.json"}, "hf/cola_dlm", "hf/tokenizer.json"},
		{"tokenizer beside the models", "hf", []string{"hf/cola_dlm/cola_dit/", "hf/cola_dlm/cola_vae/", "hf/cola_dlm/tokenizer.json"}, "hf/cola_dlm", "hf/cola_dlm/tokenizer.json"},
		{"tokenizer one level up", "up/m", []string{"up/m/cola_dit/", "up/m/cola_vae/", "up/tokenizer.json"}, "up/m", "up/tokenizer.json"},
		{"the nearest tokenizer", "up/m", []string{"up/m/cola_dit/", "up/m/cola_vae/", "up/tokenizer.json", "up/m/tokenizer.json"}, "up/m", "up/m/tokenizer.json"},
		{"no tokenizer", "m", []string{"m/cola_dit/", "m/cola_vae/"}, "m", ""},
		{"a folder is no tokenizer", "m", []string{"m/cola_dit/", "m/cola_vae/", "m/tokenizer.json/"}, "m", ""},
		{"both layouts", "m", []string{"m/cola_dit/", "m/cola_vae/", "m/cola_dlm/cola_dit/", "m/cola_dlm/cola_vae/"}, "m", ""},
		{"the whole pair counts", "m", []string{"m/cola_dit/", "m/cola_dlm/cola_dit/", "m/cola_dlm/cola_vae/"}, "m/cola_dlm", ""},
	} {
		root := t.TempDir()
		plant(t, root, c.files...)
		got, err := Locate(filepath.Join(root, c.src))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		want := Checkpoint{DiTDir: filepath.Join(root, c.home, "cola_dit"), VAEDir: filepath.Join(root, c.home, "cola_vae"), Searched: got.Searched}
		if c.tokenizer != "" {
			want.Tokenizer = filepath.Join(root, c.tokenizer)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: want − got +\n%s", c.name, diff)
		}
	}
}

func TestLocateFromInside(t *testing.T) {
	root := t.TempDir()
	plant(t, root, "tokenizer.json", "m/cola_dit/", "m/cola_vae/")
	t.Chdir(filepath.Join(root, "m"))
	got, err := Locate(".")
	want := Checkpoint{DiTDir: "cola_dit", VAEDir: "cola_vae", Tokenizer: "../tokenizer.json", Searched: []string{".", ".."}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v, want − got +\n%s", err, diff)
	}
}

func TestLocateSaysWhatItLookedFor(t *testing.T) {
	root := t.TempDir()
	plant(t, root, "a/b/", "half/cola_dit/", "file")
	for src, want := range map[string][]string{
		"a/b":           {"cola_dit", "cola_vae", filepath.Join(root, "a/b"), filepath.Join(root, "a/b/cola_dlm"), filepath.Join(root, "a")},
		"half":          {filepath.Join(root, "half") + " has cola_dit alone"},
		"half/cola_dit": {filepath.Join(root, "half") + " has cola_dit alone"},
		"file":          {"is a file"},
		"nowhere":       {"no such file"},
	} {
		_, err := Locate(filepath.Join(root, src))
		if err == nil {
			t.Errorf("%s is found", src)
			continue
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %q does not say %q", src, err, w)
			}
		}
	}
}

func TestReadConfig(t *testing.T) {
	root := t.TempDir()
	plant(t, root, "cola_dit/", "cola_vae/config.json")
	c, err := Locate(root)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.ReadConfig(); !errors.Is(err, tensor.ErrDamaged) || !strings.Contains(err.Error(), filepath.Join(root, "cola_dit", "config.json")) {
		t.Errorf("without config.json: %v", err)
	}
	plant(t, root, "cola_dit/config.json")
	cfg, raw, err := c.ReadConfig()
	if err != nil || cfg.DiT.TxtDim != 2048 || cfg.VAE.Dim != 1536 || string(raw.DiT) != "{}" || string(raw.VAE) != "{}" {
		t.Errorf("%+v %s %v", cfg, raw, err)
	}
	path := filepath.Join(root, "cola_vae", "config.json")
	if err := os.WriteFile(path, []byte(`{"act":"relu"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.ReadConfig(); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), path) {
		t.Errorf("with an unknown act: %v", err)
	}
}
