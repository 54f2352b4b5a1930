package golden

import (
	"encoding/json"
	"io/fs"
	"testing"
)

// TestEmbeddedBundles opens every bundle, verifies all sums and holds the
// bundles to what the project promises of them.
func TestEmbeddedBundles(t *testing.T) {
	want := map[string]struct {
		contract, level string
		steps, batch    int
	}{
		"exact-ops":       {"exact", "ops", 2, 3},
		"exact-layers":    {"exact", "layers", 16, 1},
		"released-ops":    {"released", "ops", 2, 3},
		"released-layers": {"released", "layers", 16, 1},
	}
	for _, e := range TinyBundles() {
		t.Run(e.Name, func(t *testing.T) {
			b := opened(t, e.Files)
			if err := b.Verify(t.Context()); err != nil {
				t.Fatal(err)
			}
			i, w := b.Info, want[e.Name]
			if i.Contract != w.contract || i.Level != w.level || i.Run.Steps != w.steps || i.Run.BatchSize != w.batch || i.Run.Blocks < 3 {
				t.Errorf("contract %s, level %s, %d steps, batch %d, %d blocks; want %+v and at least 3 blocks", i.Contract, i.Level, i.Run.Steps, i.Run.BatchSize, i.Run.Blocks, w)
			}
			if w.level == "ops" {
				checkKindsOfPrompts(t, i.Samples)
			}
			if got := len(i.Floors) > 0; got != (w.contract == "released") {
				t.Errorf("has floors: %v", got)
			}
		})
	}
}

// checkKindsOfPrompts: one shorter than a block, one that ends on a block's
// boundary, one with a prefix and pinned rows, one whose id is no number.
func checkKindsOfPrompts(t *testing.T, samples []Sample) {
	t.Helper()
	var short, boundary, pinned, text bool
	for _, s := range samples {
		short = short || s.PrefixLatents == 0 && s.FirstGuidance == 1
		boundary = boundary || s.PrefixLatents > 0 && s.PinnedRows == 0
		pinned = pinned || s.PrefixLatents > 0 && s.PinnedRows > 0 && s.Trim > 0
		_, isText := s.ID.(string)
		text = text || isText
	}
	if !short || !boundary || !pinned || !text {
		t.Errorf("shorter than a block %v, on a boundary %v, pinned rows %v, textual id %v; want all", short, boundary, pinned, text)
	}
}

func TestEmbeddedModelIsComplete(t *testing.T) {
	for _, name := range []string{
		"cola_dit/config.json", "cola_dit/model.safetensors", "cola_vae/config.json", "cola_vae/model.safetensors",
		"tokenizer.json", "generation.json", "prompts.jsonl", "expect.jsonl",
	} {
		if _, err := fs.Stat(Tiny(), name); err != nil {
			t.Error(err)
		}
	}
}

// TestBundlesBelongToTheModel compares the sums that the bundles name with the embedded files.
func TestBundlesBelongToTheModel(t *testing.T) {
	for _, e := range TinyBundles() {
		for name, want := range opened(t, e.Files).Info.Model.Sources {
			got, err := fileSum(t.Context(), Tiny(), name)
			if err != nil || got != want {
				t.Errorf("%s: %s has sum %s (%v), the bundle was made from %s", e.Name, name, got, err, want)
			}
		}
		var config struct {
			BlockSize int `json:"block_size"`
		}
		if err := json.Unmarshal(opened(t, e.Files).Info.Model.DiT, &config); err != nil || config.BlockSize == 0 {
			t.Errorf("%s: dit_config %v, %v", e.Name, config, err)
		}
	}
}

func opened(t *testing.T, files fs.FS) *Bundle {
	t.Helper()
	b, err := OpenFS(files)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}
