package engine

import (
	"context"
	"testing"

	"colakit/convert"
	"colakit/formats/cola"
	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/internal/synth"
	"colakit/kernels/device"
	"colakit/kernels/emulated"
	"colakit/quantize"
	"colakit/reference"
	"colakit/reference/generate"
)

// tabled returns the embedded model with an AdaLN table.
func tabled(t *testing.T, s hf.Schedule) *cola.File {
	t.Helper()
	return converted(t, convert.Options{Type: quantize.F32, AdaTable: &s,
		Modulations: func(ctx context.Context, w tensor.Source, cfg hf.DiTConfig, s hf.Schedule) ([]tensor.View, error) {
			return reference.Modulations(ctx, w, cfg, s, 0)
		}})
}

// TestLoopModels compares the two loops on models that are unlike the embedded one:
// quantised activations, patches of tokens, no mask, a table of modulations.
func TestLoopModels(t *testing.T) {
	long(t)
	_, tiny := model(t)
	for _, c := range []struct {
		name    string
		src     tensor.Source
		cfg     hf.Config
		options Options
		batch   []int
	}{
		{"W8A8, exact", coded(t), tiny, Options{Activations: generate.Int8Activations}, []int{1, 2}},
		{"W8A8, released", coded(t), tiny, Options{Contract: generate.Released, Activations: generate.Int8Activations}, []int{0, 1}},
		{"patches", nil, small(func(c *hf.Config) {
			c.VAE.PatchSize, c.VAE.VocabSize, c.VAE.Act, c.VAE.PostNorm = 3, 770, "gelu", false
		}),
			Options{}, []int{0, 1, 2}},
		{"no mask", nil, small(func(c *hf.Config) { c.VAE.BlockCausal, c.VAE.SharedHeadsKV, c.VAE.VocabSize = false, 4, 770 }),
			Options{Contract: generate.Released}, []int{1}},
		{"AdaLN table", tabled(t, hf.Schedule{T: 1000, Steps: 2, Contract: "exact"}), tiny, Options{}, []int{1, 0}},
	} {
		if c.src == nil {
			c.src = synth.NewSource(c.cfg, dtype.BF16, 1)
		}
		d, err := emulated.Open(emulated.Options{})
		if err != nil {
			t.Skip("not run: ", err)
		}
		e, err := New(c.src, c.cfg, d, c.options)
		if err != nil {
			t.Fatal(err)
		}
		compareLoops(t, c.name, e.(*engine), c.batch, func(o *generate.Options) {
			o.Steps, o.MaxNewTokens, o.PadTokenID = 2, 3*c.cfg.DiT.BlockSize*c.cfg.VAE.PatchSize, 1
		})
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
}

// wide is a device of more multiprocessors than a small batch keeps busy.
type wide struct{ device.Device }

func (w wide) Info() device.Info {
	info := w.Device.Info()
	info.Processors = 132
	return info
}

// TestLoopManyKeys: where attention cuts the keys into parts depends on their number,
// which recorded launches hold; they are recorded anew when a run has more.
func TestLoopManyKeys(t *testing.T) {
	long(t)
	prompts = append(prompts, longPrompts(250)[0])
	defer func() { prompts = prompts[:len(prompts)-1] }()
	file, cfg := model(t)
	d, err := emulated.Open(emulated.Options{})
	if err != nil {
		t.Skip("not run: ", err)
	}
	e, err := New(file, cfg, wide{d}, Options{Contract: generate.Released})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	compareLoops(t, "many keys", e.(*engine), []int{len(prompts) - 1}, func(o *generate.Options) { o.Steps, o.MaxNewTokens = 2, 16 })
	if got := e.(*engine).loop.stepping.key.(passKey).keys; got != 2*keysStep {
		t.Errorf("the last step was recorded for %d keys", got)
	}
}
