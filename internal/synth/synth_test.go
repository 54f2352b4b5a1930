package synth

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/formats/safetensors"
	"colakit/formats/tensor"
)

func small(t *testing.T) hf.Config {
	t.Helper()
	cfg, err := hf.ParseConfig(
		[]byte(`{"txt_in_channels":4,"txt_out_channels":4,"txt_dim":32,"emb_dim":32,"heads":2,"head_dim":16,"expand_ratio":2,"num_layers":3,"rope_dim":8}`),
		[]byte(`{"vocab_size":40,"encoder_num_blocks":1,"decoder_num_blocks":2,"dim":32,"ffn_dim":64,"latent_dim":4,"num_heads":2,"patch_size":2}`))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestValuesDoNotDependOnTheChunks(t *testing.T) {
	cfg := small(t)
	for _, e := range cfg.Inventory() {
		n, err := e.Shape.Elements()
		if err != nil {
			t.Fatal(err)
		}
		whole := make([]float32, n)
		Fill(whole, cfg, e, 7, 0)
		pieces := make([]float32, n)
		for start := int64(0); start < n; start += 5 {
			Fill(pieces[start:min(start+5, n)], cfg, e, 7, start)
		}
		if diff := cmp.Diff(whole, pieces); diff != "" {
			t.Errorf("%s: whole − pieces +\n%s", e.Name, diff)
		}
	}
}

func TestDistribution(t *testing.T) {
	cfg := small(t)
	for _, c := range []struct {
		class      hf.Class
		shape      tensor.Shape
		mean, std  float64
		minimum, n float64
	}{
		{hf.DiTProjection, tensor.Shape{400, 100}, 0, 0.1, -0.35, 40000},
		{hf.PatchConvolution, tensor.Shape{100, 50, 2}, 0, 0.1, -0.35, 10000},
		{hf.Embedding, tensor.Shape{400, 100}, 0, 1, -3.5, 40000},
		{hf.Norm, tensor.Shape{10000}, 1, 0.1, 0.65, 10000},
		{hf.Bias, tensor.Shape{10000}, 0, 0.05, -0.175, 10000},
	} {
		v := make([]float32, int(c.n))
		Fill(v, cfg, hf.Expected{Name: "x", Class: c.class, Shape: c.shape}, 1, 0)
		var sum, squares float64
		least := math.Inf(1)
		for _, x := range v {
			sum += float64(x)
			least = min(least, float64(x))
		}
		mean := sum / c.n
		for _, x := range v {
			squares += (float64(x) - mean) * (float64(x) - mean)
		}
		std := math.Sqrt(squares / c.n)
		// Six standard errors of either figure.
		if !(math.Abs(mean-c.mean) < 6*c.std/math.Sqrt(c.n)) || !(math.Abs(std/c.std-1) < 6/math.Sqrt(2*c.n)) || least < c.minimum {
			t.Errorf("%v: mean %v, std %v, least %v, want %v, %v, at least %v", c.class, mean, std, least, c.mean, c.std, c.minimum)
		}
	}
}

func TestTensorsAndSeedsDiffer(t *testing.T) {
	cfg := small(t)
	fill := func(name string, seed uint64) []float32 {
		v := make([]float32, 64)
		Fill(v, cfg, hf.Expected{Name: name, Class: hf.Bias, Shape: tensor.Shape{64}}, seed, 0)
		return v
	}
	a := fill("a.bias", 1)
	for name, b := range map[string][]float32{"another tensor": fill("b.bias", 1), "another seed": fill("a.bias", 2)} {
		if cmp.Equal(a, b) || a[0] == b[0] {
			t.Errorf("%s has the same values", name)
		}
	}
	if !cmp.Equal(a, fill("a.bias", 1)) {
		t.Error("the same tensor and seed have other values")
	}
}

func TestCheckpointIsWhatItsConfigurationSays(t *testing.T) {
	cfg := small(t)
	source := NewSource(cfg, dtype.BF16, 3)
	for _, shardSize := range []int64{0, 20_000, 1} {
		dir := t.TempDir()
		if err := WriteCheckpoint(context.Background(), dir, cfg, Options{Seed: 3, Type: dtype.BF16, ShardSize: shardSize}); err != nil {
			t.Fatal(err)
		}
		at, err := hf.Locate(dir)
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := at.ReadConfig()
		if err != nil {
			t.Fatal(err)
		}
		if kind, ok := got.DiT.LoadType(); kind != dtype.BF16 || !ok {
			t.Errorf("dtype of the configuration: %v", kind)
		}
		if diff := cmp.Diff(cfg.Inventory(), got.Inventory()); diff != "" {
			t.Errorf("inventory: given − read +\n%s", diff)
		}
		for model, folder := range map[hf.Model]string{hf.DiT: at.DiTDir, hf.VAE: at.VAEDir} {
			compareFolder(t, folder, model, cfg, source)
		}
	}
}

// compareFolder holds a model folder to the source of the same seed.
func compareFolder(t *testing.T, folder string, model hf.Model, cfg hf.Config, source *Source) {
	t.Helper()
	files, err := safetensors.OpenDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	left := len(files.Descs())
	for _, e := range cfg.Inventory() {
		if e.Model != model {
			continue
		}
		left--
		stored, err := files.Read(e.Source)
		if err != nil {
			t.Fatal(err)
		}
		made, err := source.Read(e.Name)
		if err != nil {
			t.Fatal(err)
		}
		if stored.Type != dtype.BF16 || !stored.Shape.Equal(e.Shape) || !bytes.Equal(stored.Data, made.Data) {
			t.Errorf("%s: %v %v and the source differ", e.Source, stored.Type, stored.Shape)
		}
	}
	if left != 0 {
		t.Errorf("%s: %d tensors more than the inventory's", folder, left)
	}
}

func TestNothingIsOverwrittenOrLeftHalf(t *testing.T) {
	cfg, dir := small(t), t.TempDir()
	o := Options{Type: dtype.F32}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	if err := WriteCheckpoint(cancelled, dir, cfg, o); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*", "*", "*.safetensors")); len(left) > 0 {
		t.Errorf("%v are left", left)
	}
	if err := WriteCheckpoint(context.Background(), dir, cfg, o); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a config.json that is there: %v", err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "cola_dlm")); err != nil {
		t.Fatal(err)
	}
	if err := WriteCheckpoint(context.Background(), dir, cfg, o); err != nil {
		t.Error(err)
	}
	if err := WriteCheckpoint(context.Background(), t.TempDir(), cfg, Options{Type: dtype.I8}); err == nil {
		t.Error("integer weights are written")
	}
}

func TestSourceHasNoOtherTensor(t *testing.T) {
	s := NewSource(small(t), dtype.F32, 0)
	if _, err := s.Read("dit.nothing"); !errors.Is(err, tensor.ErrNotFound) {
		t.Errorf("an unknown name: %v", err)
	}
	if len(s.Descs()) != len(small(t).Inventory()) {
		t.Errorf("%d tensors", len(s.Descs()))
	}
}
