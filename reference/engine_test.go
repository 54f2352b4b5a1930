package reference

import (
	"context"
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
		Cond:    cut(r.Cond), Uncond: cut(r.Uncond), Logits: cut(r.Logits), Cond2: cut(r.Cond2), Logits2: cut(r.Logits2),
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
			compare("logits of the next block", single.Logits2, double.Logits2, 2e-6)
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

// The released contract takes timesteps rounded to bfloat16: 937.5 is 936.
func TestTimestepsAreRoundedUnderReleased(t *testing.T) {
	cfg := small()
	for _, contract := range bothContracts {
		e := newTestEngine(t, cfg, Options{Contract: contract})
		if err := e.Prefill(t.Context(), [][]float32{nil}); err != nil {
			t.Fatal(err)
		}
		var v [2][]float32
		for i, at := range []float32{937.5, 936} {
			p := generate.Pass{Z: noiseOf(cfg, 1, 0), T: []float32{at, at, at}}
			var err error
			if v[i], _, err = e.Velocity(t.Context(), p); err != nil {
				t.Fatal(err)
			}
		}
		if same := cmp.Equal(v[0], v[1]); same != (contract == generate.Released) {
			t.Errorf("%v: the same velocity at 937.5 and 936: %v", contract, same)
		}
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
