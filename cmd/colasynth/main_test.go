package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"colakit/formats/hf"
)

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{"": 0, "1": 1, "60K": 60_000, "500M": 500_000_000, "2G": 2_000_000_000} {
		if got, err := parseSize(text); err != nil || got != want {
			t.Errorf("%q: %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"0", "-1", "G", "5X", "1.5G", "9999999999999G"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("%q: %d", text, got)
		}
	}
}

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

func TestRun(t *testing.T) {
	dir := t.TempDir()
	in := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	f := flags{
		dit:       in("dit.json", `{"txt_dim":16,"emb_dim":16,"heads":1,"head_dim":8,"rope_dim":4,"expand_ratio":1}`),
		vae:       in("vae.json", `{"vocab_size":9,"dim":16,"num_heads":2,"ffn_dim":8}`),
		tokenizer: in("t.json", `{}`), out: filepath.Join(dir, "out"), elements: "f16", shard: "4K", layers: 1, blocks: 1,
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
}
