package engine

import (
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"colakit/formats/cola"
	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/internal/synth"
	"colakit/kernels/device"
	"colakit/kernels/emulated"
	"colakit/kernels/meter"
	"colakit/reference/generate"
)

// someDevice has the least shared memory of those that the kernels run on.
var someDevice = device.Info{Kind: "cuda", SharedPerBlock: 99 << 10}

// TestSupported: what the kernels do not compute is refused by the name of what the
// configuration says; the largest that is not refused passes every check of the
// operations in a rehearsal.
func TestSupported(t *testing.T) {
	const row = (99<<10 - staticShared) / 4
	for _, c := range []struct {
		name string
		most int
		set  func(c *hf.Config, n int)
		a    generate.Activations
	}{
		{"head_dim of the prior", 256, func(c *hf.Config, n int) { c.DiT.HeadDim = n }, 0},
		{"dim/num_heads of the VAE", 256, func(c *hf.Config, n int) { c.VAE.Dim = 4 * (n + n%2) }, 0},
		{"heads of the prior", 65535, func(c *hf.Config, n int) { c.DiT.Heads, c.DiT.HeadDim, c.DiT.RopeDim, c.DiT.NumLayers = n, 4, 4, 1 }, 0},
		{"vocab_size", 4 << 20, func(c *hf.Config, n int) { c.VAE.VocabSize = n }, 0},
		{"dim·patch_size of the VAE", 4 << 20, func(c *hf.Config, n int) { c.VAE.Dim, c.VAE.NumHeads, c.VAE.PatchSize = 1024+16*(n-4<<20), 8, 4096 }, 0},
		{"txt_dim of the prior", row, func(c *hf.Config, n int) { c.DiT.TxtDim, c.DiT.EmbDim = n, n }, 0},
		{"dim of the VAE", row, func(c *hf.Config, n int) { c.VAE.Dim, c.VAE.NumHeads = n+n%2, (n+n%2)/2 }, 0},
		{"latent_dim of the VAE", row, func(c *hf.Config, n int) { c.VAE.LatentDim, c.DiT.TxtInChannels, c.DiT.TxtOutChannels = n, n, n }, 0},
		{"txt_dim·expand_ratio of the prior", row, func(c *hf.Config, n int) { c.DiT.TxtDim, c.DiT.EmbDim, c.DiT.ExpandRatio = 8, 8, (n+7)/8 }, generate.Int8Activations},
		{"heads·head_dim of the prior", row, func(c *hf.Config, n int) { c.DiT.HeadDim, c.DiT.RopeDim, c.DiT.Heads = 4, 4, (n+3)/4 }, generate.Int8Activations},
		{"hidden width of the VAE's FFN", row, func(c *hf.Config, n int) { c.VAE.FFNDim = 2 * n }, generate.Int8Activations},
	} {
		for beyond := range 2 {
			cfg := small(func(cfg *hf.Config) { c.set(cfg, c.most+beyond) })
			if err := cfg.Validate(); err != nil {
				t.Fatal(err)
			}
			_, err := PlanFor(shapes{synth.NewSource(cfg, dtype.F16, 1), c.a}, cfg, someDevice, Options{Activations: c.a, Extent: Extent{NewTokens: 1}})
			if refused := errors.Is(err, ErrUnsupported) && strings.Contains(err.Error(), c.name+" is"); beyond == 0 && err != nil || beyond > 0 && !refused {
				t.Errorf("%s of %d: error %v", c.name, c.most+beyond, err)
			}
		}
	}
	for clip, refused := range map[float64]bool{0.5: false, 0: true, -1: true, 1e-300: true} {
		cfg := small(func(c *hf.Config) { c.VAE.ClipQKV = &clip })
		_, err := PlanFor(synth.NewSource(cfg, dtype.F16, 1), cfg, someDevice, Options{})
		if refused != (err != nil) || refused && !strings.Contains(err.Error(), "clip_qkv is") {
			t.Errorf("clip_qkv %v: error %v", clip, err)
		}
	}
}

// shapes is a source whose matrices are codes where activations are int8. A rehearsal
// reads no matrix.
type shapes struct {
	tensor.Source
	a generate.Activations
}

func (s shapes) Descs() []tensor.Desc {
	all := s.Source.Descs()
	for i, d := range all {
		if s.a == generate.Int8Activations && len(d.Shape) == 2 && d.Name != hf.EncoderWTE.Weight() {
			all[i].Type, all[i].Quantization = dtype.I8, &tensor.Quantization{Scale: dtype.F32}
		}
	}
	return all
}

// TestRandomConfigurations: a rehearsal refuses nothing that supported does not.
func TestRandomConfigurations(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 7))
	one := func(values ...int) int { return values[r.IntN(len(values))] }
	ran := 0
	for range 400 {
		cfg := small(func(c *hf.Config) {
			d, v := &c.DiT, &c.VAE
			d.TxtDim, d.Heads, d.HeadDim, d.RopeDim = 1+r.IntN(200), 1+r.IntN(5), 4+r.IntN(300), 4+2*r.IntN(40)
			d.EmbDim, d.ExpandRatio, d.NumLayers, d.BlockSize, d.QKBias = d.TxtDim, 1+r.IntN(6), r.IntN(3), 1+r.IntN(70), r.IntN(2) > 0
			v.NumHeads = 1 + r.IntN(6)
			v.Dim, v.FFNDim, v.SharedHeadsKV = 2*v.NumHeads*(1+r.IntN(140)), 1+r.IntN(300), one(1, v.NumHeads)
			v.EncoderNumBlocks, v.DecoderNumBlocks, v.PatchSize, v.BlockSize = r.IntN(3), r.IntN(3), 1+r.IntN(5), 1+r.IntN(100)
			v.LatentDim, v.VocabSize, v.Act = 1+r.IntN(40), 1+r.IntN(500), []string{"swiglu", "silu", "gelu"}[r.IntN(3)]
			d.TxtInChannels, d.TxtOutChannels = v.LatentDim, v.LatentDim
			for _, flag := range []*bool{&v.EncoderLastLN, &v.LayerNormAffine, &v.PostNorm, &v.QKBias, &v.QKNorm, &v.QKNormAffine, &v.RopeFullPrecision, &v.Bias, &v.BlockCausal, &v.UseVariation} {
				*flag = r.IntN(2) > 0
			}
		})
		a := generate.Activations(r.IntN(2))
		if cfg.Validate() != nil || supported(cfg, someDevice, a) != nil {
			continue
		}
		ran++
		o := Options{Contract: generate.Contract(r.IntN(2)), Activations: a, Extent: Extent{Batch: 1 + r.IntN(9), PromptTokens: 1 + r.IntN(500), NewTokens: 1 + r.IntN(500)}}
		if _, err := PlanFor(shapes{synth.NewSource(cfg, dtype.F16, 1), a}, cfg, someDevice, o); err != nil {
			t.Errorf("%+v\n%+v: %v", cfg.DiT, cfg.VAE, err)
		}
	}
	if ran < 100 {
		t.Errorf("only %d configurations are valid", ran)
	}
}

// scaled is the embedded model with one tensor multiplied.
type scaled struct {
	*cola.File
	name string
	by   float32
}

func (l scaled) Read(name string) (tensor.View, error) {
	view, err := l.File.Read(name)
	if err != nil || name != l.name {
		return view, err
	}
	values, err := view.Float32s()
	if err != nil {
		return view, err
	}
	more := make([]float32, len(values))
	for i, v := range values {
		more[i] = l.by * v
	}
	return tensor.FromFloat32s(name, view.Shape, more), nil
}

// TestRange: results that exceed float16 are an error that says so, never a token;
// bfloat16 holds them.
func TestRange(t *testing.T) {
	file, cfg := model(t)
	for contract, refused := range map[generate.Contract]bool{generate.Exact: true, generate.Released: false} {
		d, err := emulated.Open(emulated.Options{})
		if err != nil {
			t.Skip("not run: ", err)
		}
		e, err := New(scaled{file, hf.EncoderWTE.Weight(), 1e6}, cfg, d, Options{Contract: contract})
		if err != nil {
			t.Fatal(err)
		}
		_, err = e.Encode(t.Context(), prompts[1:2])
		if refused != (err != nil) || refused && !strings.Contains(err.Error(), "float16") {
			t.Errorf("%v: error %v", contract, err)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestWeightRange: weights that exceed float16 are refused before anything is taken,
// under the contract that needs float16 alone.
func TestWeightRange(t *testing.T) {
	file, cfg := model(t)
	name := hf.DiTBlockModules(1).MLPOut.Weight()
	for contract, refused := range map[generate.Contract]bool{generate.Exact: true, generate.Released: false} {
		d, err := emulated.Open(emulated.Options{})
		if err != nil {
			t.Skip("not run: ", err)
		}
		m := meter.New(d)
		e, err := New(scaled{file, name, 1e7}, cfg, m, Options{Contract: contract})
		if !refused {
			if err != nil {
				t.Fatal(err)
			}
			e.Close()
			continue
		}
		if !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "float16") {
			t.Errorf("error %v", err)
		}
		if _, most := m.Memory(); most > 0 {
			t.Errorf("%d bytes were taken", most)
		}
	}
}

// TestFirstBeyond: the first of all is found, whoever finds it; what still rounds to
// float16's largest number is held, and NaN is no number that is too large.
func TestFirstBeyond(t *testing.T) {
	values := make([]float32, 5*scanned+3)
	values[7], values[8] = 65519.99, float32(math.NaN())
	view := func() tensor.View { return tensor.FromFloat32s("w", tensor.Shape{len(values)}, values) }
	for _, at := range []int{-1, len(values) - 1, 3*scanned + 1, 2 * scanned} {
		if at >= 0 {
			values[at] = -beyondF16
		}
		if got, err := firstBeyond(view()); err != nil || got != at {
			t.Errorf("found %d, %v; want %d", got, err, at)
		}
	}
}
