package reference

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
	"colakit/internal/synth"
	"colakit/reference/generate"
)

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
// were: another can take its place.
func TestCancelledCallsCanBeRepeated(t *testing.T) {
	cfg := small()
	ids := samples(cfg, 2, 1)
	want := exercise(t, newTestEngine(t, cfg, Options{}), cfg, ids, 0, 1)
	e := newTestEngine(t, cfg, Options{})
	if err := e.Prefill(context.Background(), want.Latents); err != nil {
		t.Fatal(err)
	}
	p, other := testPass(cfg, 0, []int{0, 1}), testPass(cfg, 5, []int{1, 0})
	interrupted := func(call func(context.Context) error) {
		t.Helper()
		ctx, stop := context.WithCancel(context.Background())
		e.Observe(&stopAfter{20, stop})
		if err := call(ctx); !errors.Is(err, context.Canceled) {
			t.Fatalf("error %v, wanted that of the context", err)
		}
		e.Observe(nil)
	}
	interrupted(func(ctx context.Context) error { _, _, err := e.Velocity(ctx, other); return err })
	interrupted(func(ctx context.Context) error { _, err := e.Decode(ctx, other); return err })
	interrupted(func(ctx context.Context) error { return e.Commit(ctx, other) })
	got := want
	var err error
	if got.Logits, err = e.Decode(context.Background(), p); err != nil {
		t.Fatal(err)
	}
	if err = e.Commit(context.Background(), p); err != nil {
		t.Fatal(err)
	}
	p = testPass(cfg, 1, []int{0, 1})
	if got.Cond2, _, err = e.Velocity(context.Background(), p); err != nil {
		t.Fatal(err)
	}
	if got.Logits2, err = e.Decode(context.Background(), p); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("uninterrupted and repeated (-uninterrupted +repeated):\n%s", diff)
	}
}
