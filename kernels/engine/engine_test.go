package engine

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/convert"
	"colakit/formats/cola"
	"colakit/formats/hf"
	"colakit/golden"
	"colakit/kernels/device"
	"colakit/kernels/emulated"
	"colakit/quantize"
	"colakit/reference/generate"
)

// tiny converts the embedded model, once.
var tiny = sync.OnceValues(func() (*cola.File, error) {
	dir := filepath.Join(folder, "tiny.cola")
	if _, err := convert.FS(context.Background(), golden.Tiny(), dir, convert.Options{Type: quantize.F32}); err != nil {
		return nil, err
	}
	return cola.Open(dir)
})

var folder string

func TestMain(m *testing.M) { run(m) }

// model returns the embedded model and its configuration.
func model(t *testing.T) (*cola.File, hf.Config) {
	t.Helper()
	file, err := tiny()
	if err != nil {
		t.Fatal(err)
	}
	meta, err := file.Meta()
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := hf.ParseConfig(meta.DiTConfig, meta.VAEConfig)
	if err != nil {
		t.Fatal(err)
	}
	return file, cfg
}

// opened returns an engine of the embedded model on an emulated device.
func opened(t *testing.T, o Options) (generate.Engine, error) {
	t.Helper()
	file, cfg := model(t)
	d, err := emulated.Open(emulated.Options{})
	if errors.Is(err, device.ErrUnavailable) {
		t.Skip("not run: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return New(file, cfg, d, o)
}

func open(t *testing.T, o Options) generate.Engine {
	t.Helper()
	e, err := opened(t, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// prompts are of different lengths: no whole block, one and a half, two.
var prompts = [][]int32{{511, 302}, {575, 446, 258, 389, 13, 280}, {406, 532, 597, 767, 1, 2, 3, 4}}

// tokens generates a batch with noise that depends on the prompt alone.
func tokens(t *testing.T, e generate.Engine, which []int, tap generate.Tap) [][]int32 {
	t.Helper()
	o := generate.Defaults()
	o.Steps, o.MaxNewTokens, o.PadTokenID, o.Tap = 3, 8, 767, tap
	results, err := generate.Run(t.Context(), e, batchOf(which), o, noiseOf(which))
	if err != nil {
		t.Fatal(err)
	}
	out := make([][]int32, len(which))
	for i, r := range results {
		out[i] = r.BlockTokens()
	}
	return out
}

func batchOf(which []int) []generate.Prompt {
	batch := make([]generate.Prompt, len(which))
	for i, n := range which {
		batch[i] = generate.Prompt{Tokens: prompts[n]}
	}
	return batch
}

// noiseOf depends on the prompt alone.
func noiseOf(which []int) generate.Noise {
	return generate.NoiseFunc(func(sample, block int, dst []float32) error {
		for i := range dst {
			dst[i] = float32((i*7919+which[sample]*104729+block*1299709)%2003)/1001 - 1
		}
		return nil
	})
}

// TestBatches: a sample's tokens depend neither on the batch that it is in nor on
// whether somebody looks on, which has every branch run by itself.
func TestBatches(t *testing.T) {
	long(t)
	for _, c := range []generate.Contract{generate.Exact, generate.Released} {
		e := open(t, Options{Contract: c})
		together := tokens(t, e, []int{0, 1, 2}, nil)
		for i := range prompts {
			if d := cmp.Diff(together[i], tokens(t, e, []int{i}, nil)[0]); d != "" {
				t.Errorf("%s, prompt %d alone: %s", c, i, d)
			}
		}
		if d := cmp.Diff([][]int32{together[2], together[0]}, tokens(t, e, []int{2, 0}, everything{})); d != "" {
			t.Errorf("%s, other order, observed: %s", c, d)
		}
	}
}

// long skips what takes minutes under a sanitizer.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("not run: -short")
	}
}

// everything is a tap that wants all values.
type everything struct{ nothing }

func (everything) Want(generate.Site) bool { return true }

// TestClose: everything that was allocated is given back.
func TestClose(t *testing.T) {
	long(t)
	e := open(t, Options{}).(*engine)
	before := e.device.Info().Free
	tokens(t, e, []int{0, 1}, nil)
	if err := e.release(); err != nil {
		t.Fatal(err)
	}
	after := e.device.Info().Free
	if after <= before || e.device.Info().Memory != after {
		t.Errorf("%d of %d bytes are free after all was given back, %d were while the model was loaded", after, e.device.Info().Memory, before)
	}
	e.closed = true
	e.device.Close()
	if _, _, err := e.Velocity(t.Context(), generate.Pass{}); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("error %v", err)
	}
}

func TestCancelled(t *testing.T) {
	e := open(t, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.Encode(ctx, [][]int32{{1, 2, 3, 4}}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestMisuse(t *testing.T) {
	e := open(t, Options{})
	if err := e.Commit(t.Context(), generate.Pass{}); err == nil || !strings.Contains(err.Error(), "prefilled") {
		t.Errorf("error %v", err)
	}
	if _, err := e.Encode(t.Context(), [][]int32{{99999, 1, 2, 3}}); err == nil || !strings.Contains(err.Error(), "id 99999") {
		t.Errorf("error %v", err)
	}
	if err := e.Prefill(t.Context(), [][]float32{make([]float32, 3)}); err == nil || !strings.Contains(err.Error(), "multiple of a block") {
		t.Errorf("error %v", err)
	}
	_, err := opened(t, Options{Activations: generate.Int8Activations})
	if err == nil || !strings.Contains(err.Error(), "int8 weights") {
		t.Errorf("error %v", err)
	}
}
