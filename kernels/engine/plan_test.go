package engine

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"colakit/convert"
	"colakit/formats/cola"
	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/golden"
	"colakit/internal/synth"
	"colakit/kernels/device"
	"colakit/kernels/emulated"
	"colakit/kernels/meter"
	"colakit/quantize"
	"colakit/reference/generate"
)

// converted returns an artifact of the embedded model.
func converted(t *testing.T, o convert.Options) *cola.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.cola")
	if _, err := convert.FS(t.Context(), golden.Tiny(), path, o); err != nil {
		t.Fatal(err)
	}
	file, err := cola.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return file
}

// coded returns the embedded model with int8 weights.
func coded(t *testing.T) *cola.File { return converted(t, convert.Options{Type: quantize.Int8}) }

// small is a model that is like the embedded one in nothing that a plan depends on.
func small(change func(*hf.Config)) hf.Config {
	cfg := hf.Config{DiT: hf.DefaultDiT(), VAE: hf.DefaultVAE()}
	d, v := &cfg.DiT, &cfg.VAE
	d.TxtDim, d.EmbDim, d.Heads, d.HeadDim, d.RopeDim, d.NumLayers, d.ExpandRatio, d.BlockSize = 48, 48, 2, 40, 20, 3, 2, 4
	v.VocabSize, v.Dim, v.FFNDim, v.NumHeads, v.EncoderNumBlocks, v.DecoderNumBlocks = 70, 48, 90, 4, 1, 2
	change(&cfg)
	return cfg
}

// TestPlan: what is planned is what is taken, to the byte; runs within the extent take
// no more, whatever their prompts, and give nothing back.
func TestPlan(t *testing.T) {
	long(t)
	file, tiny := model(t)
	for _, c := range []struct {
		name    string
		src     tensor.Source
		cfg     hf.Config
		options Options
	}{
		{"one prompt", file, tiny, Options{Extent: Extent{Batch: 1, PromptTokens: 30, NewTokens: 8}}},
		{"released", file, tiny, Options{Contract: generate.Released, Extent: Extent{Batch: 3, PromptTokens: 13, NewTokens: 9}}},
		{"schedule", file, tiny, Options{Contract: generate.Released, Schedule: &hf.Schedule{T: 1000, Steps: 2, Contract: "released"}, Extent: Extent{Batch: 2, PromptTokens: 5, NewTokens: 4}}},
		{"W8A16", coded(t), tiny, Options{Extent: Extent{Batch: 2, PromptTokens: 9, NewTokens: 4}}},
		{"W8A8", coded(t), tiny, Options{Contract: generate.Released, Activations: generate.Int8Activations, Extent: Extent{Batch: 2, PromptTokens: 20, NewTokens: 4}}},
		{"patches", nil, small(func(c *hf.Config) { c.VAE.PatchSize, c.VAE.BlockSize, c.VAE.Act, c.VAE.PostNorm = 3, 6, "gelu", false }),
			Options{Extent: Extent{Batch: 2, PromptTokens: 30, NewTokens: 13}}},
		{"no mask", nil, small(func(c *hf.Config) { c.VAE.BlockCausal, c.VAE.SharedHeadsKV, c.VAE.EncoderNumBlocks = false, 4, 0 }),
			Options{Contract: generate.Released, Extent: Extent{Batch: 5, PromptTokens: 70, NewTokens: 4}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.src == nil {
				c.src = synth.NewSource(c.cfg, dtype.BF16, 1)
			}
			planned(t, c.src, c.cfg, c.options)
		})
	}
}

func planned(t *testing.T, src tensor.Source, cfg hf.Config, o Options) {
	d, err := emulated.Open(emulated.Options{})
	if err != nil {
		t.Skip("not run: ", err)
	}
	m := meter.New(d)
	plan, err := PlanFor(src, cfg, d.Info(), o)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := New(src, cfg, m, o)
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	e := opened.(*engine)
	if live, most := m.Memory(); live != plan.Total-plan.Loading || most != plan.Total {
		t.Errorf("%v; %d bytes taken, %d at most", plan, live, most)
	}
	sum := int64(0)
	for _, part := range plan.Parts() {
		sum += part.Bytes
	}
	if sum != plan.Total {
		t.Errorf("the parts are %d bytes: %v", sum, plan)
	}
	x := plan.Extent
	steps := generate.Defaults().Steps // whose modulations are computed at once
	if o.Schedule != nil {
		steps = o.Schedule.Steps
	}
	for _, batch := range [][]int{full(x.Batch, x.PromptTokens), {1}, full(x.Batch, 5), append(full(x.Batch-1, 1), x.PromptTokens)} {
		generated(t, e, batch, x.NewTokens, steps)
		steps = 2 // of the schedule, where there is one
	}
	if live, most := m.Memory(); live != plan.Total-plan.Loading || most != plan.Total {
		t.Errorf("%v; after runs %d bytes are taken, %d were at most", plan, live, most)
	}
	if used := e.taken(); used.whole > plan.room.whole || used.whole+2*used.layer < (plan.room.whole+2*plan.room.layer)*9/10 || used.layer != plan.room.layer {
		t.Errorf("%+v were planned, %+v used", plan.room, used)
	}
}

func full(n, tokens int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = tokens
	}
	return all
}

// generated generates for prompts of so many tokens each.
func generated(t *testing.T, e generate.Engine, lengths []int, tokens, steps int) {
	t.Helper()
	o := generate.Defaults()
	o.Steps, o.MaxNewTokens, o.PadTokenID = steps, tokens, 1
	prompts := make([]generate.Prompt, len(lengths))
	for i, p := range longPrompts(lengths...) {
		for j := range p {
			p[j] %= 60
		}
		prompts[i].Tokens = p
	}
	noise := generate.NoiseFunc(func(int, int, []float32) error { return nil })
	if _, err := generate.Run(t.Context(), e, prompts, o, noise); err != nil {
		t.Fatal(err)
	}
}

// TestPlanGrows: caches of the prior and the decoder grow with batch and prompts; that of
// the encoder, values and what is multiplied do not beyond a piece.
func TestPlanGrows(t *testing.T) {
	file, cfg := model(t)
	at := func(x Extent) Plan {
		p, err := PlanFor(file, cfg, someDevice, Options{Extent: x})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	few, many := at(Extent{Batch: 4, PromptTokens: 2 * pieceRows, NewTokens: 4}), at(Extent{Batch: 4, PromptTokens: 8 * pieceRows, NewTokens: 4})
	if many.Prior < 3*few.Prior || many.Decoder < 3*few.Decoder {
		t.Errorf("%v\n%v", few, many)
	}
	if longest := int64(6 * pieceRows * cfg.VAE.EncoderNumBlocks * cfg.VAE.KVDim() * 4); many.Encoder-few.Encoder > longest || many.Values > few.Values*5/4 {
		t.Errorf("%v\n%v; a longer prompt has %d bytes more of keys and values in the encoder", few, many, longest)
	}
	if more := at(Extent{Batch: 64, PromptTokens: 2 * pieceRows, NewTokens: 4}); more.Encoder > few.Encoder+60*int64(cfg.VAE.EncoderNumBlocks*cfg.VAE.KVDim()*4*pageRows) {
		t.Errorf("%v\n%v", few, more)
	}
}

// TestRefused: what does not fit is refused with all parts before anything is taken,
// by the device's memory and by a bound, and says what helps.
func TestRefused(t *testing.T) {
	file, cfg := model(t)
	for _, c := range []struct {
		name          string
		device, bound int64
		extent        Extent
		hint          string
	}{
		{"device", 2 << 20, 0, Extent{}, "convert the model with --type int8"},
		{"bound", 0, 2 << 20, Extent{}, "--device-memory"},
		{"batch", 100 << 20, 0, Extent{Batch: 1000, PromptTokens: 500}, "generate fewer prompts at a time (--batch-size)"},
	} {
		d, err := emulated.Open(emulated.Options{Memory: c.device})
		if err != nil {
			t.Skip("not run: ", err)
		}
		m := meter.New(d)
		_, err = New(file, cfg, m, Options{Memory: c.bound, Extent: c.extent})
		if !errors.Is(err, device.ErrMemory) || !strings.Contains(err.Error(), c.hint) || !strings.Contains(err.Error(), "cache of the prior ") {
			t.Errorf("%s: error %v", c.name, err)
		}
		if _, most := m.Memory(); most > 0 {
			t.Errorf("%s: %d bytes were taken", c.name, most)
		}
	}
}
