package generate

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/internal/torch"
)

// holding makes a BlockEngine of another engine, by the functions of the loop.
type holding struct {
	Engine
	z         []float32 // of the block that is held
	block     int
	committed bool
	denoised  *atomic.Int64
}

func (h *holding) pass() Pass { return Pass{Block: h.block, Z: h.z} }

func (h *holding) Prefill(ctx context.Context, prefix [][]float32) error {
	h.z = nil
	return h.Engine.Prefill(ctx, prefix)
}

func (h *holding) Denoise(ctx context.Context, f Flow) error {
	m := h.Model()
	if err := f.Check(m, len(f.Guidance)); err != nil {
		return err
	}
	if h.z != nil && !h.committed {
		if err := h.Engine.Commit(ctx, h.pass()); err != nil {
			return err
		}
	}
	h.z, h.block, h.committed = slices.Clone(f.Z), f.Block, false
	h.denoised.Add(1)
	for step, t := range f.T {
		p := Pass{Block: f.Block, Step: step, Z: h.z, T: make([]float32, len(f.Z)/m.LatentDim)}
		pinned := func(row int) bool { return row%m.BlockSize < f.PinnedRows(row/m.BlockSize) }
		for row := range p.T {
			if !pinned(row) {
				p.T[row] = t
			}
		}
		cond, uncond, err := h.Engine.Velocity(ctx, p)
		if err != nil {
			return err
		}
		v, err := Guide(cond, uncond, f.Guidance, m.Contract)
		if err != nil {
			return err
		}
		if err := EulerStep(h.z, v, f.Widths[step], m.Contract); err != nil {
			return err
		}
		for row := range p.T {
			if pinned(row) {
				copy(h.z[row*m.LatentDim:(row+1)*m.LatentDim], f.Z[row*m.LatentDim:])
			}
		}
	}
	return nil
}

func (h *holding) Decode(ctx context.Context, p Pass) ([]float32, error) {
	if p.Z == nil {
		p = h.pass()
	}
	return h.Engine.Decode(ctx, p)
}

func (h *holding) Commit(ctx context.Context, p Pass) error {
	if p.Z == nil {
		p, h.committed = h.pass(), true
	}
	return h.Engine.Commit(ctx, p)
}

func (h *holding) Tokens(ctx context.Context, seen [][]int32, s Sampling) ([]int32, []bool, error) {
	logits, err := h.Decode(ctx, Pass{})
	if err != nil {
		return nil, nil, err
	}
	var broken []bool
	for row := range slices.Chunk(logits, h.Model().VocabSize) {
		broken = append(broken, !finite(row))
	}
	ids, err := Sample(logits, h.Model().VocabSize, seen, s, h.Model().Contract, nil)
	return ids, broken, err
}

// TestBlockEngine: an engine that runs a block's loop gives what the loop here gives,
// shared among several as well: pinned rows, guidance, stop rules, replaced ids, drawn
// tokens, and logits that are no numbers.
func TestBlockEngine(t *testing.T) {
	end := int32(40)
	for name, set := range map[string]func(*Options){
		"plain":    func(*Options) {},
		"guidance": func(o *Options) { o.Guidance, o.T = 2.5, 700 },
		"drawn":    func(o *Options) { o.Sampling.Temperature = 0.8 },
		"stopped":  func(o *Options) { o.EOSTokenID = &end },
		"replaced": func(o *Options) {
			o.Sampling.RepetitionPenalty = 3
			o.OnBlock = func(block int, ids [][]int32) error {
				ids[len(ids)-1][1] = int32(block)
				return nil
			}
		},
	} {
		for _, contract := range []Contract{Exact, Released} {
			m := Model{BlockSize: 4, PatchSize: 1, LatentDim: 2, VocabSize: 128, Contract: contract}
			run := func(engines int, wrap func(Engine) Engine) []Result {
				var all []Engine
				for range engines {
					all = append(all, wrap(echo{newFake(m)}))
				}
				o := Defaults()
				o.Steps, o.MaxNewTokens, o.PadTokenID = 3, 12, 127
				generator := torch.New(7)
				o.Draws = generator
				set(&o)
				results, err := Run(t.Context(), Shard(all), tenPrompts(), o, &Global{Generator: generator, Batch: 10})
				if err != nil {
					t.Fatal(err)
				}
				return results
			}
			want := run(1, func(e Engine) Engine { return e })
			for _, n := range []int{1, 3} {
				var denoised atomic.Int64
				got := run(n, func(e Engine) Engine { return &holding{Engine: e, denoised: &denoised} })
				if d := cmp.Diff(want, got); d != "" {
					t.Errorf("%s, %v, %d engines: %s", name, contract, n, d)
				}
				if wanted := n * len(want[0].Blocks); int(denoised.Load()) != wanted {
					t.Errorf("%s, %v, %d engines: %d blocks denoised by the engines, want %d", name, contract, n, denoised.Load(), wanted)
				}
			}
		}
	}
}

// TestBlockEngineOrder: every block but the last is committed, before the steps of the
// next; with a tap the loop is here.
func TestBlockEngineOrder(t *testing.T) {
	f, denoised := newFake(small), new(atomic.Int64)
	e := &holding{Engine: f, denoised: denoised}
	generate(t, e, prompts(6, 2, 4), options(8))
	if d := cmp.Diff([]string{"encode", "prefill", "decode 0", "commit 0", "decode 1"}, f.calls); d != "" {
		t.Error(d)
	}
	o := options(8)
	o.Tap = &recorder{}
	f.calls = nil
	generate(t, e, prompts(6), o)
	if d := cmp.Diff([]string{"encode", "prefill", "decode 0", "commit 0", "decode 1", "commit 1"}, f.calls); d != "" || denoised.Load() != 2 {
		t.Errorf("%d blocks denoised by the engine: %s", denoised.Load(), d)
	}
	if got := generate(t, &holding{Engine: unsound{newFake(small)}, denoised: new(atomic.Int64)}, prompts(4, 4), options(8)); got[0].NonFinite != 0 || got[1].NonFinite != 4 {
		t.Errorf("%d and %d tokens of logits that are no numbers", got[0].NonFinite, got[1].NonFinite)
	}
}

// TestShardMixed: one engine that can't run a block's loop keeps it here.
func TestShardMixed(t *testing.T) {
	all := []Engine{&holding{Engine: newFake(small), denoised: new(atomic.Int64)}, newFake(small)}
	if _, ok := Shard(all).(BlockEngine); ok {
		t.Error("not all of the engines run a block's loop")
	}
	all[1] = &holding{Engine: newFake(small), denoised: new(atomic.Int64)}
	e, ok := Shard(all).(BlockEngine)
	if _, partial := e.(Partial); !ok || !partial {
		t.Error("all of the engines run a block's loop")
	}
	if err := e.Denoise(t.Context(), Flow{}); err == nil {
		t.Error("a block without a batch")
	}
}

func TestFlowCheck(t *testing.T) {
	good := Flow{Z: make([]float32, 16), T: []float32{1000}, Widths: []float32{1}, Guidance: []float32{7, 1}, Pinned: []int{0, 4}}
	if err := good.Check(small, 2); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*Flow){
		"latents":  func(f *Flow) { f.Z = f.Z[1:] },
		"no steps": func(f *Flow) { f.T, f.Widths = nil, nil },
		"widths":   func(f *Flow) { f.Widths = nil },
		"guidance": func(f *Flow) { f.Guidance = f.Guidance[1:] },
		"pinned":   func(f *Flow) { f.Pinned = []int{1} },
		"rows":     func(f *Flow) { f.Pinned = []int{0, 5} },
	} {
		f := good
		if change(&f); f.Check(small, 2) == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
