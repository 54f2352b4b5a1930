package reference

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"testing"

	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/internal/synth"
	"colakit/reference/generate"
)

// small is a configuration of few parameters whose sizes are all different.
func small() hf.Config {
	c := hf.Config{DiT: hf.DefaultDiT(), VAE: hf.DefaultVAE()}
	c.DiT.TxtInChannels, c.DiT.TxtOutChannels = 6, 6
	c.DiT.TxtDim, c.DiT.EmbDim, c.DiT.Heads, c.DiT.HeadDim, c.DiT.RopeDim = 20, 20, 3, 8, 6
	c.DiT.ExpandRatio, c.DiT.NumLayers, c.DiT.BlockSize = 2, 2, 3
	c.VAE.VocabSize, c.VAE.LatentDim, c.VAE.Dim, c.VAE.NumHeads, c.VAE.FFNDim = 50, 6, 16, 2, 24
	c.VAE.EncoderNumBlocks, c.VAE.DecoderNumBlocks, c.VAE.BlockSize, c.VAE.RopeTheta = 2, 2, 3, 10000
	return c
}

// variants are configurations that take every branch of the models.
func variants() map[string]hf.Config {
	clip := 0.4
	all := map[string]hf.Config{"default": small()}
	change := func(name string, f func(d *hf.DiTConfig, v *hf.VAEConfig)) {
		c := small()
		f(&c.DiT, &c.VAE)
		all[name] = c
	}
	change("pre-norm, shared heads, gelu, clipped", func(d *hf.DiTConfig, v *hf.VAEConfig) {
		v.PostNorm, v.SharedHeadsKV, v.Act, v.ClipQKV = false, 2, "gelu", &clip
	})
	change("no affine, silu, no bias, other mask blocks", func(d *hf.DiTConfig, v *hf.VAEConfig) {
		v.LayerNormAffine, v.QKNormAffine, v.Act, v.Bias, v.BlockSize = false, false, "silu", false, 2
	})
	change("patches of two, scaled, no variation", func(d *hf.DiTConfig, v *hf.VAEConfig) {
		v.PatchSize, v.ScalingFactor, v.ShiftingFactor, v.UseVariation, v.QKBias = 2, 0.7, 0.3, false, true
	})
	change("no qk norm, rotation in half precision, no last norm", func(d *hf.DiTConfig, v *hf.VAEConfig) {
		v.QKNorm, v.RopeFullPrecision, v.EncoderLastLN, v.PostNorm = false, false, false, false
		d.QKBias, d.RopeDim = true, 8
	})
	change("no blocks at all", func(d *hf.DiTConfig, v *hf.VAEConfig) {
		d.NumLayers, v.EncoderNumBlocks, v.DecoderNumBlocks = 0, 0, 0
	})
	return all
}

// newTestEngine returns an engine with pseudo-random weights.
func newTestEngine(t testing.TB, cfg hf.Config, o Options) generate.Engine {
	t.Helper()
	valid(t, cfg)
	e, err := New(synth.NewSource(cfg, dtype.F32, 1), cfg, o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// valid fails for a configuration that no config.json could have.
func valid(t testing.TB, cfg hf.Config) {
	t.Helper()
	dit, err := json.Marshal(cfg.DiT)
	if err != nil {
		t.Fatal(err)
	}
	vae, err := json.Marshal(cfg.VAE)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := hf.ParseConfig(dit, vae); err != nil {
		t.Fatal(err)
	}
}

// testRun is what one call of every method of an engine returns.
type testRun struct {
	Latents      [][]float32
	Cond, Uncond []float32
	Logits       []float32
	Cond2        []float32 // of the block after the commit
	Logits2      []float32
}

// samples are token ids for prompts of different lengths in blocks.
func samples(cfg hf.Config, blocks ...int) [][]int32 {
	rng := rand.New(rand.NewPCG(7, 7))
	ids := make([][]int32, len(blocks))
	for i, n := range blocks {
		for range n * cfg.DiT.BlockSize * cfg.VAE.PatchSize {
			ids[i] = append(ids[i], rng.Int32N(int32(cfg.VAE.VocabSize+1)))
		}
	}
	return ids
}

// noiseOf returns numbers of order 1 that depend on sample and block alone.
func noiseOf(cfg hf.Config, sample, block int) []float32 {
	rng := rand.New(rand.NewPCG(uint64(sample), uint64(block)))
	z := make([]float32, cfg.DiT.BlockSize*cfg.VAE.LatentDim)
	for i := range z {
		z[i] = float32(rng.NormFloat64())
	}
	return z
}

// testPass is the pass of a block for the given samples of a batch. The first row
// of the batch's first sample is at t = 0, as a pinned one is.
func testPass(cfg hf.Config, block int, of []int) generate.Pass {
	p := generate.Pass{Block: block}
	for _, sample := range of {
		p.Z = append(p.Z, noiseOf(cfg, sample, block)...)
		for r := range cfg.DiT.BlockSize {
			t := float32(937.5)
			if sample == 0 && r == 0 {
				t = 0
			}
			p.T = append(p.T, t)
		}
	}
	return p
}

// exercise runs the given samples, numbers of ids, as one batch.
func exercise(t testing.TB, e generate.Engine, cfg hf.Config, ids [][]int32, of ...int) testRun {
	t.Helper()
	r, err := tryExercise(context.Background(), e, cfg, ids, of...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func tryExercise(ctx context.Context, e generate.Engine, cfg hf.Config, ids [][]int32, of ...int) (r testRun, err error) {
	var batch [][]int32
	for _, sample := range of {
		batch = append(batch, ids[sample])
	}
	if r.Latents, err = e.Encode(ctx, batch); err != nil {
		return r, err
	}
	if err = e.Prefill(ctx, r.Latents); err != nil {
		return r, err
	}
	p := testPass(cfg, 0, of)
	if r.Cond, r.Uncond, err = e.Velocity(ctx, p); err != nil {
		return r, err
	}
	if r.Logits, err = e.Decode(ctx, p); err != nil {
		return r, err
	}
	if err = e.Commit(ctx, p); err != nil {
		return r, err
	}
	p = testPass(cfg, 1, of)
	if r.Cond2, _, err = e.Velocity(ctx, p); err != nil {
		return r, err
	}
	r.Logits2, err = e.Decode(ctx, p)
	return r, err
}

// recorder is a tap that keeps a copy of what it wants.
type recorder struct {
	want  func(generate.Site) bool // nil: everything
	names []string
	views map[string]tensor.View
}

func (r *recorder) Want(s generate.Site) bool { return r.want == nil || r.want(s) }

func (r *recorder) Record(s generate.Site, v tensor.View) error {
	if r.views == nil {
		r.views = map[string]tensor.View{}
	}
	v.Data = append([]byte(nil), v.Data...)
	r.names = append(r.names, s.String())
	r.views[s.String()] = v
	return nil
}

// forcer replaces values by those of a function.
type forcer struct {
	recorder
	replace func(generate.Site) (tensor.View, bool)
}

func (f *forcer) Replace(s generate.Site) (tensor.View, bool, error) {
	v, ok := f.replace(s)
	return v, ok, nil
}

// newTestPass is a pass over one span of rows that nobody observes.
func newTestPass(rows int, released bool) *pass[float32] {
	l := &layout{}
	l.add(0, 0, rows)
	return &pass[float32]{ctx: context.Background(), workers: 1, released: released, layout: l}
}

// valueFrom returns rows of the given width as a float32 value.
func valueFrom(cols int, data ...float32) value[float32] {
	m, err := matrixOf(data, len(data)/cols, cols)
	if err != nil {
		panic(err)
	}
	return value[float32]{m: m}
}
