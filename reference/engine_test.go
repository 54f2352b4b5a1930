package reference

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/internal/synth"
	"colakit/reference/generate"
)

var bothContracts = []generate.Contract{generate.Exact, generate.Released}

// A sample has the same bits alone and in a batch, whatever the other samples and
// the number of workers.
func TestBatchCompositionDoesNotMatter(t *testing.T) {
	for name, cfg := range variants() {
		for _, contract := range bothContracts {
			t.Run(name+"/"+contract.String(), func(t *testing.T) {
				ids := samples(cfg, 2, 0, 3)
				together := exercise(t, newTestEngine(t, cfg, Options{Contract: contract, Workers: 3}), cfg, ids, 0, 1, 2)
				single := newTestEngine(t, cfg, Options{Contract: contract, Workers: 1})
				for i := range ids {
					alone := exercise(t, single, cfg, ids, i)
					if diff := cmp.Diff(alone, only(cfg, together, i, len(ids))); diff != "" {
						t.Errorf("sample %d alone and in a batch (-alone +batch):\n%s", i, diff)
					}
				}
			})
		}
	}
}

// only returns what a run of n samples says about one of them.
func only(cfg hf.Config, r testRun, i, n int) testRun {
	cut := func(v []float32) []float32 { return v[i*len(v)/n : (i+1)*len(v)/n] }
	return testRun{
		Latents: r.Latents[i : i+1],
		Cond:    cut(r.Cond), Uncond: cut(r.Uncond), Logits: cut(r.Logits), Cond2: cut(r.Cond2),
	}
}

// An observed run computes the branches one after the other, an unobserved one in
// one pass.
func TestObservingChangesNothing(t *testing.T) {
	for name, cfg := range variants() {
		for _, contract := range bothContracts {
			t.Run(name+"/"+contract.String(), func(t *testing.T) {
				ids := samples(cfg, 2, 0)
				e := newTestEngine(t, cfg, Options{Contract: contract})
				want := exercise(t, e, cfg, ids, 0, 1)
				seen := &recorder{}
				e.Observe(seen)
				if diff := cmp.Diff(want, exercise(t, e, cfg, ids, 0, 1)); diff != "" {
					t.Errorf("unobserved and observed (-unobserved +observed):\n%s", diff)
				}
				if len(seen.names) == 0 {
					t.Error("nothing was observed")
				}
			})
		}
	}
}

func TestFloat64AgreesWithFloat32(t *testing.T) {
	for name, cfg := range variants() {
		t.Run(name, func(t *testing.T) {
			ids := samples(cfg, 2, 1)
			single := exercise(t, newTestEngine(t, cfg, Options{}), cfg, ids, 0, 1)
			double := exercise(t, newTestEngine(t, cfg, Options{Float64: true}), cfg, ids, 0, 1)
			compare := func(what string, a, b []float32, limit float64) {
				if err := relativeError(a, b); !(err <= limit) {
					t.Errorf("%s: float32 is %.1e from float64", what, err)
				}
			}
			for i := range ids {
				compare("latents", single.Latents[i], double.Latents[i], 2e-6)
			}
			// The sinusoid's angles, up to 1000, are rounded to float32.
			compare("cond", single.Cond, double.Cond, 2e-5)
			compare("uncond", single.Uncond, double.Uncond, 2e-5)
			compare("logits", single.Logits, double.Logits, 2e-6)
			compare("cond of the next block", single.Cond2, double.Cond2, 2e-5)
		})
	}
}

// relativeError returns ‖a − b‖/‖b‖.
func relativeError(a, b []float32) float64 {
	var diff, norm float64
	for i := range a {
		d := float64(a[i]) - float64(b[i])
		diff += d * d
		norm += float64(b[i]) * float64(b[i])
	}
	return math.Sqrt(diff) / math.Sqrt(norm)
}

// Released velocities and logits are bfloat16 numbers, and not those of exact.
func TestReleasedRounds(t *testing.T) {
	cfg := small()
	ids := samples(cfg, 2)
	exact := exercise(t, newTestEngine(t, cfg, Options{}), cfg, ids, 0)
	released := exercise(t, newTestEngine(t, cfg, Options{Contract: generate.Released}), cfg, ids, 0)
	for what, values := range map[string][]float32{"cond": released.Cond, "uncond": released.Uncond, "logits": released.Logits} {
		for i, x := range values {
			if dtype.RoundBF16(x) != x {
				t.Fatalf("%s[%d] = %g is no bfloat16 number", what, i, x)
			}
		}
	}
	if err := relativeError(released.Cond, exact.Cond); !(err > 1e-4 && err < 0.1) {
		t.Errorf("released is %.1e from exact; bfloat16 rounding makes about 1e-2", err)
	}
}

// Encoding sees blocks before and its own, never one behind.
func TestEncoderMask(t *testing.T) {
	masked, open := small(), small()
	open.VAE.BlockCausal = false
	for _, c := range []struct {
		name          string
		cfg           hf.Config
		change        int   // position of the token that changes
		touched, same []int // latents
	}{
		{"later block", masked, 3, []int{3, 4, 5}, []int{0, 1, 2}},
		{"within the block", masked, 2, []int{0, 1, 2, 3}, nil},
		{"no mask", open, 5, []int{0, 3, 5}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newTestEngine(t, c.cfg, Options{})
			ids := samples(c.cfg, 2)
			before, err := e.Encode(context.Background(), ids)
			if err != nil {
				t.Fatal(err)
			}
			ids[0][c.change] = (ids[0][c.change] + 1) % 50
			after, err := e.Encode(context.Background(), ids)
			if err != nil {
				t.Fatal(err)
			}
			row := func(v []float32, i int) []float32 { return v[i*6 : (i+1)*6] }
			for _, i := range c.touched {
				if cmp.Equal(row(before[0], i), row(after[0], i)) {
					t.Errorf("latent %d does not see the change", i)
				}
			}
			for _, i := range c.same {
				if !cmp.Equal(row(before[0], i), row(after[0], i)) {
					t.Errorf("latent %d sees behind its block", i)
				}
			}
		})
	}
}

// A prefix written at once and one written by prefill and commit serve alike.
func TestCommitContinuesPrefill(t *testing.T) {
	cfg := small()
	ctx := context.Background()
	first, second := noiseOf(cfg, 0, 0), noiseOf(cfg, 0, 1)
	next := generate.Pass{Z: noiseOf(cfg, 0, 2), T: []float32{500, 500, 500}}
	e := newTestEngine(t, cfg, Options{})
	if err := e.Prefill(ctx, [][]float32{append(append([]float32(nil), first...), second...)}); err != nil {
		t.Fatal(err)
	}
	want, _, err := e.Velocity(ctx, next)
	if err != nil {
		t.Fatal(err)
	}
	wantLogits, err := e.Decode(ctx, next)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Prefill(ctx, [][]float32{first}); err != nil {
		t.Fatal(err)
	}
	if err := e.Commit(ctx, generate.Pass{Z: second}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Decode(ctx, generate.Pass{Z: second}); err != nil {
		t.Fatal(err)
	}
	got, _, err := e.Velocity(ctx, next)
	if err != nil {
		t.Fatal(err)
	}
	logits, err := e.Decode(ctx, next)
	if err != nil {
		t.Fatal(err)
	}
	if err := relativeError(got, want); !(err < 1e-5) {
		t.Errorf("velocities differ by %.1e", err)
	}
	if err := relativeError(logits, wantLogits); !(err < 1e-5) {
		t.Errorf("logits differ by %.1e", err)
	}
}

// The unconditional branch sees its block alone.
func TestUncondForgetsThePrefix(t *testing.T) {
	cfg := small()
	e := newTestEngine(t, cfg, Options{})
	r := exercise(t, e, cfg, samples(cfg, 2), 0)
	if err := e.Prefill(context.Background(), [][]float32{nil}); err != nil {
		t.Fatal(err)
	}
	cond, uncond, err := e.Velocity(context.Background(), testPass(cfg, 0, []int{0}))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r.Uncond, uncond); diff != "" {
		t.Errorf("uncond depends on the prefix:\n%s", diff)
	}
	if diff := cmp.Diff(cond, uncond); diff != "" {
		t.Errorf("without a prefix the branches differ:\n%s", diff)
	}
	if cmp.Equal(r.Cond, cond) {
		t.Error("cond does not depend on the prefix")
	}
}

// Stored rotary frequencies are used, not recomputed.
func TestStoredFrequencies(t *testing.T) {
	cfg := small()
	src := changed{synth.NewSource(cfg, dtype.F32, 1), func(v tensor.View) tensor.View {
		if strings.HasSuffix(v.Name, "rope.freqs") {
			return tensor.FromFloat32s(v.Name, v.Shape, make([]float32, cfg.DiT.RopeDim/2))
		}
		return v
	}}
	still, err := New(src, cfg, Options{})
	if err != nil {
		t.Fatal(err)
	}
	ids := samples(cfg, 2)
	if cmp.Equal(exercise(t, still, cfg, ids, 0).Cond, exercise(t, newTestEngine(t, cfg, Options{}), cfg, ids, 0).Cond) {
		t.Error("frequencies of zero change nothing")
	}
}

// changed is a source whose tensors pass through a function; one without a name
// is not there.
type changed struct {
	tensor.Source
	change func(tensor.View) tensor.View
}

func (c changed) Read(name string) (tensor.View, error) {
	v, err := c.Source.Read(name)
	if err != nil {
		return v, err
	}
	if v = c.change(v); v.Name == "" {
		return v, tensor.ErrNotFound
	}
	return v, nil
}

func TestNewRefuses(t *testing.T) {
	cfg := small()
	named := func(name string, f func(v tensor.View) tensor.View) func(tensor.View) tensor.View {
		return func(v tensor.View) tensor.View {
			if v.Name == name {
				return f(v)
			}
			return v
		}
	}
	for _, c := range []struct {
		name    string
		change  func(tensor.View) tensor.View
		options Options
		damaged bool
		says    string
	}{
		{"missing", named("dit.blocks.1.mlp.proj_in.weight", func(tensor.View) tensor.View { return tensor.View{} }), Options{}, true, "dit.blocks.1.mlp.proj_in.weight"},
		{"transposed shape", named("vae.decoder.in_layer.weight", func(v tensor.View) tensor.View {
			v.Shape = tensor.Shape{v.Shape[1], v.Shape[0]}
			return v
		}), Options{}, true, "[6, 16]"},
		{"integers", named("dit.txt_out.proj.bias", func(v tensor.View) tensor.View { v.Type = dtype.I32; return v }), Options{}, true, "i32"},
		{"short bytes", named("vae.encoder.wte.weight", func(v tensor.View) tensor.View { v.Data = v.Data[1:]; return v }), Options{}, true, "vae.encoder.wte.weight"},
		{"released in float64", nil, Options{Contract: generate.Released, Float64: true}, false, "float64"},
		{"negative workers", nil, Options{Workers: -1}, false, "-1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var src tensor.Source = synth.NewSource(cfg, dtype.F32, 1)
			if c.change != nil {
				src = changed{src, c.change}
			}
			_, err := New(src, cfg, c.options)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("error %v; it should say %q", err, c.says)
			}
			if errors.Is(err, tensor.ErrDamaged) != c.damaged {
				t.Errorf("%v: wraps ErrDamaged: %v, wanted %v", err, !c.damaged, c.damaged)
			}
		})
	}
}

func TestCallsRefuse(t *testing.T) {
	cfg, ctx := small(), context.Background()
	e := newTestEngine(t, cfg, Options{})
	pass := testPass(cfg, 0, []int{0})
	refuses := func(what string, err error, says string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: error %v; it should say %q", what, err, says)
		}
	}
	_, _, err := e.Velocity(ctx, pass)
	refuses("velocity before prefill", err, "no batch")
	_, err = e.Encode(ctx, [][]int32{{1, 51, 0}})
	refuses("id beyond the vocabulary", err, "id 51")
	_, err = e.Encode(ctx, [][]int32{{1, -1, 0}})
	refuses("negative id", err, "id -1")
	refuses("empty batch", e.Prefill(ctx, nil), "no samples")
	refuses("half a block", e.Prefill(ctx, [][]float32{make([]float32, 6)}), "multiple")
	if err := e.Prefill(ctx, [][]float32{nil}); err != nil {
		t.Fatal(err)
	}
	refuses("too many rows", e.Commit(ctx, generate.Pass{Z: make([]float32, 2*len(pass.Z))}), "6 rows")
	refuses("ragged rows", e.Commit(ctx, generate.Pass{Z: pass.Z[1:]}), "17 values")
	_, _, err = e.Velocity(ctx, generate.Pass{Z: pass.Z, T: pass.T[1:]})
	refuses("timesteps missing", err, "2 timesteps")
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	refuses("after Close", e.Prefill(ctx, [][]float32{nil}), "closed")

	cfg.VAE.BlockCausal = false
	e = newTestEngine(t, cfg, Options{})
	_, err = e.Encode(ctx, samples(cfg, 1, 1))
	refuses("a batch without a mask", err, "block_causal")
	cfg.VAE.PatchSize = 2
	_, err = newTestEngine(t, cfg, Options{}).Encode(ctx, [][]int32{{1, 2, 3}})
	refuses("half a patch", err, "patch size 2")
}

// stopAfter cancels a context when it sees the nth value.
type stopAfter struct {
	n    int
	stop context.CancelFunc
}

func (s *stopAfter) Want(generate.Site) bool { return true }
func (s *stopAfter) Record(generate.Site, tensor.View) error {
	if s.n--; s.n == 0 {
		s.stop()
	}
	return nil
}

// A cancelled call ends with the context's error and leaves the caches as they
// were: the call can be repeated.
func TestCancelledCallsCanBeRepeated(t *testing.T) {
	cfg := small()
	ids := samples(cfg, 2, 1)
	want := exercise(t, newTestEngine(t, cfg, Options{}), cfg, ids, 0, 1)
	e := newTestEngine(t, cfg, Options{})
	if err := e.Prefill(context.Background(), want.Latents); err != nil {
		t.Fatal(err)
	}
	p := testPass(cfg, 0, []int{0, 1})
	interrupted := func(call func(context.Context) error) {
		t.Helper()
		ctx, stop := context.WithCancel(context.Background())
		e.Observe(&stopAfter{20, stop})
		if err := call(ctx); !errors.Is(err, context.Canceled) {
			t.Fatalf("error %v, wanted that of the context", err)
		}
		e.Observe(nil)
	}
	interrupted(func(ctx context.Context) error { _, _, err := e.Velocity(ctx, p); return err })
	interrupted(func(ctx context.Context) error { _, err := e.Decode(ctx, p); return err })
	interrupted(func(ctx context.Context) error { return e.Commit(ctx, p) })
	got := want
	var err error
	if got.Logits, err = e.Decode(context.Background(), p); err != nil {
		t.Fatal(err)
	}
	if err = e.Commit(context.Background(), p); err != nil {
		t.Fatal(err)
	}
	if got.Cond2, _, err = e.Velocity(context.Background(), testPass(cfg, 1, []int{0, 1})); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("uninterrupted and repeated (-uninterrupted +repeated):\n%s", diff)
	}
}

// Every float type of an artifact can be run, and is widened exactly.
func TestStoredTypes(t *testing.T) {
	cfg := small()
	ids := samples(cfg, 1)
	for _, stored := range []dtype.Type{dtype.F64, dtype.F16, dtype.BF16} {
		narrow := synth.NewSource(cfg, stored, 1)
		wide := changed{narrow, func(v tensor.View) tensor.View {
			data, err := v.Float32s()
			if err != nil {
				t.Fatal(err)
			}
			return tensor.FromFloat32s(v.Name, v.Shape, data)
		}}
		var runs []testRun
		for _, src := range []tensor.Source{narrow, wide} {
			e, err := New(src, cfg, Options{})
			if err != nil {
				t.Fatal(err)
			}
			runs = append(runs, exercise(t, e, cfg, ids, 0))
		}
		if diff := cmp.Diff(runs[1], runs[0]); diff != "" {
			t.Errorf("%v and its widened values (-widened +stored):\n%s", stored, diff)
		}
	}
}
