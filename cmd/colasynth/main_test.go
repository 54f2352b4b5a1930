package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"colakit/formats/hf"
	"colakit/internal/command"
)

func TestConfig(t *testing.T) {
	for name, c := range map[string]struct {
		f  flags
		ok bool
	}{
		"released":             {flags{released: true, layers: -1, blocks: -1}, true},
		"released, two layers": {flags{released: true, layers: 2, blocks: 0}, true},
		"too many layers":      {flags{released: true, layers: 5000, blocks: -1}, false},
		"nothing":              {flags{}, false},
		"both":                 {flags{released: true, dit: "a", vae: "b"}, false},
		"half":                 {flags{dit: "a"}, false},
	} {
		cfg, err := c.f.config()
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
		if c.f.layers == 2 && (cfg.DiT.NumLayers != 2 || cfg.VAE.EncoderNumBlocks != 0 || cfg.VAE.DecoderNumBlocks != 0 || cfg.DiT.BlockSize != 16) {
			t.Errorf("%s: %+v", name, cfg)
		}
	}
}

// small returns flags that ask for a small checkpoint in dir/out.
func small(t *testing.T, dir string) flags {
	t.Helper()
	in := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return flags{
		dit:       in("dit.json", `{"txt_dim":16,"emb_dim":16,"heads":1,"head_dim":8,"rope_dim":4,"expand_ratio":1}`),
		vae:       in("vae.json", `{"vocab_size":9,"dim":16,"num_heads":2,"ffn_dim":8}`),
		tokenizer: in("t.json", `{}`), out: filepath.Join(dir, "out"), elements: "f16", shard: "4K", layers: 1, blocks: 1,
	}
}

func TestRun(t *testing.T) {
	f := small(t, t.TempDir())
	if err := os.Mkdir(f.out, 0o755); err != nil { // an empty folder will do
		t.Fatal(err)
	}
	if err := f.run(context.Background()); err != nil {
		t.Fatal(err)
	}
	c, err := hf.Locate(f.out)
	if err != nil || c.Tokenizer == "" {
		t.Fatalf("%+v %v", c, err)
	}
	if cfg, _, err := c.ReadConfig(); err != nil || cfg.DiT.NumLayers != 1 {
		t.Errorf("%+v %v", cfg, err)
	}
	if err := f.run(context.Background()); err == nil || !strings.Contains(err.Error(), "holds files already") {
		t.Errorf("a second time: %v", err)
	}
}

// TestErrorsLeaveNothing: what fails or is interrupted can be tried again.
func TestErrorsLeaveNothing(t *testing.T) {
	dir := t.TempDir()
	f := small(t, dir)
	before, _ := os.ReadDir(dir)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := f.run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v after an interrupt", err)
	}
	missing := f
	missing.tokenizer = filepath.Join(dir, "none")
	if err := missing.run(context.Background()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v without the tokenizer", err)
	}
	nowhere := f
	nowhere.out = filepath.Join(dir, "none", "out")
	if err := nowhere.run(context.Background()); err == nil || !strings.Contains(err.Error(), "create it first") {
		t.Errorf("error %v without a folder", err)
	}
	if after, _ := os.ReadDir(dir); len(after) != len(before) {
		t.Errorf("left behind: %v", after)
	}
	if err := f.run(context.Background()); err != nil {
		t.Errorf("tried again: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	for args, want := range map[string]string{
		"--released":                       "-o DIR is missing",
		"--released -o x y":                `unexpected argument "y"`,
		"--released -o x --layers -2":      "--layers is -2; want 0 or more",
		"--released -o x --dtype i8x":      "--dtype: ",
		"--released -o x --shard-size 5XB": "--shard-size: ",
	} {
		var out, errs bytes.Buffer
		code := program().Run(t.Context(), command.Streams{Out: &out, Err: &errs}, strings.Fields(args))
		if code != command.Usage || !strings.Contains(errs.String(), want) || strings.Count(errs.String(), "\n") != 1 {
			t.Errorf("%s: exit code %d, %q, want %q", args, code, errs.String(), want)
		}
	}
}
