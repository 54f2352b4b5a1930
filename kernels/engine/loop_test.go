package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/internal/torch"
	"colakit/kernels/device"
	"colakit/kernels/emulated"
	"colakit/kernels/meter"
	"colakit/reference/generate"
)

// stepwise hides that an engine runs a block's loop, and keeps what it decodes.
type stepwise struct {
	generate.Engine
	latents, logits [][]float32
}

func (s *stepwise) Decode(ctx context.Context, p generate.Pass) ([]float32, error) {
	logits, err := s.Engine.Decode(ctx, p)
	s.latents, s.logits = append(s.latents, slices.Clone(p.Z)), append(s.logits, slices.Clone(logits))
	return logits, err
}

// looping keeps what an engine decodes on its device.
type looping struct {
	*engine
	latents, logits [][]float32
}

func (l *looping) keep() error {
	p := &pass{engine: l.engine}
	latents, err := p.load(l.loop.last)
	if err != nil {
		return err
	}
	logits, err := p.load(l.loop.logits)
	l.latents, l.logits = append(l.latents, latents), append(l.logits, logits)
	return err
}

func (l *looping) Tokens(ctx context.Context, seen [][]int32, s generate.Sampling) ([]int32, []bool, error) {
	ids, broken, err := l.engine.Tokens(ctx, seen, s)
	if err == nil {
		err = l.keep()
	}
	return ids, broken, err
}

func (l *looping) Decode(ctx context.Context, p generate.Pass) ([]float32, error) {
	logits, err := l.engine.Decode(ctx, p)
	if err == nil {
		err = l.keep()
	}
	return logits, err
}

// TestLoop: latents, logits and tokens of every block have the bits of the loop on the
// host, whether a block is committed by itself or in the next one's first step.
func TestLoop(t *testing.T) {
	long(t)
	for _, contract := range []generate.Contract{generate.Exact, generate.Released} {
		e := open(t, Options{Contract: contract}).(*engine)
		for _, c := range []struct {
			name  string
			batch []int
			fuse  int
			set   func(*generate.Options)
		}{
			{"all prompts", []int{0, 1, 2}, fuseRows, func(*generate.Options) {}},
			{"not fused", []int{0, 1, 2}, 0, func(*generate.Options) {}},
			{"one, pinned", []int{1}, fuseRows, func(o *generate.Options) { o.Guidance, o.Steps = 1.7, 5 }},
			{"one, not pinned", []int{2}, fuseRows, func(o *generate.Options) { o.Sampling.RepetitionPenalty, o.T, o.Steps = 1, 321.5, 1 }},
			{"many steps", []int{1, 2}, fuseRows, func(o *generate.Options) { o.Steps = 8 }},
			{"drawn", []int{2, 0}, fuseRows, func(o *generate.Options) { o.Sampling.Temperature = 0.8 }},
			{"replaced", []int{1, 0}, fuseRows, func(o *generate.Options) {
				o.Sampling.RepetitionPenalty = 5
				o.OnBlock = func(block int, ids [][]int32) error { ids[0][1] = int32(block + 7); return nil }
			}},
		} {
			e.fuseRows, e.stepsAtOnce = c.fuse, 3
			compareLoops(t, fmt.Sprintf("%v, %s", contract, c.name), e, c.batch, c.set)
		}
	}
}

func compareLoops(t *testing.T, name string, e *engine, batch []int, set func(*generate.Options)) {
	t.Helper()
	host, loop := &stepwise{Engine: e}, &looping{engine: e}
	want := inBlocks(t, host, batch, set)
	got := inBlocks(t, loop, batch, set)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s: %s", name, d)
	}
	for block := range host.latents {
		sameBits(t, fmt.Sprintf("%s, latents of block %d", name, block), host.latents[block], loop.latents[block])
		sameBits(t, fmt.Sprintf("%s, logits of block %d", name, block), host.logits[block], loop.logits[block])
	}
}

func sameBits(t *testing.T, what string, want, got []float32) {
	t.Helper()
	if len(want) != len(got) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	for i := range want {
		if math.Float32bits(want[i]) != math.Float32bits(got[i]) {
			t.Errorf("%s: value %d is %v, want %v", what, i, got[i], want[i])
			return
		}
	}
}

// inBlocks runs a batch of three blocks or more, in three steps each.
func inBlocks(t *testing.T, e generate.Engine, which []int, set func(*generate.Options)) []generate.Result {
	t.Helper()
	o := generate.Defaults()
	o.Steps, o.MaxNewTokens, o.PadTokenID, o.Draws = 3, 12, 767, torch.New(3)
	set(&o)
	results, err := generate.Run(t.Context(), e, batchOf(which), o, noiseOf(which))
	if err != nil {
		t.Fatal(err)
	}
	return results
}

// TestLoopRecorded: the launches of a pass are recorded once for a shape, whatever the
// block and the batch, and are replayed with the same result.
func TestLoopRecorded(t *testing.T) {
	e := open(t, Options{Contract: generate.Released}).(*engine)
	longer := func(o *generate.Options) { o.MaxNewTokens = 16 }
	graphs := func() [3]device.Graph {
		return [3]device.Graph{e.loop.stepping.graph, e.loop.fusing.graph, e.loop.decoding.graph}
	}
	first := inBlocks(t, e, []int{1}, longer)
	recorded := graphs()
	if d := cmp.Diff(first, inBlocks(t, e, []int{1}, longer)); d != "" {
		t.Error(d)
	}
	for i, graph := range graphs() {
		if graph == nil || graph != recorded[i] {
			t.Errorf("recording %d: %p, then %p", i, recorded[i], graph)
		}
	}
}

// TestReplayAfterError: launches that failed are not recorded when they come again, for
// they may still have memory to take.
func TestReplayAfterError(t *testing.T) {
	e := open(t, Options{}).(*engine)
	var r recording
	key, failed := func() any { return 1 }, errors.New("no memory")
	if err := e.replay(&r, key, func() error { return failed }); !errors.Is(err, failed) {
		t.Errorf("error %v", err)
	}
	takes := func() error {
		b, err := e.device.Alloc(16)
		return errors.Join(err, e.device.Free(b))
	}
	if err := e.replay(&r, key, takes); err != nil {
		t.Error(err)
	}
	if err := e.replay(&r, key, takes); !errors.Is(err, device.ErrArgument) {
		t.Errorf("error %v of memory that is taken in a recording", err)
	}
}

// TestLoopMisuse: calls out of order are refused, and the batch survives.
func TestLoopMisuse(t *testing.T) {
	e := open(t, Options{}).(*engine)
	ctx, greedy := t.Context(), generate.Sampling{RepetitionPenalty: 1}
	c, rows := e.cfg.VAE.LatentDim, e.cfg.DiT.BlockSize
	flow := generate.Flow{Z: make([]float32, rows*c), T: []float32{1000}, Widths: []float32{1}, Guidance: []float32{1}}
	refused := func(what string, err error) {
		t.Helper()
		if err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	accepted := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	tokens := func(s generate.Sampling) error { _, _, err := e.Tokens(ctx, [][]int32{nil}, s); return err }
	refused("a block without a batch", e.Denoise(ctx, flow))
	refused("tokens without a batch", tokens(greedy))
	refused("a commit without a batch", e.Commit(ctx, generate.Pass{}))
	accepted(e.Prefill(ctx, [][]float32{nil}))
	refused("tokens without a block", tokens(greedy))
	refused("a commit without a block", e.Commit(ctx, generate.Pass{}))
	short := flow
	short.Z = short.Z[1:]
	refused("a flow of another size", e.Denoise(ctx, short))
	accepted(e.Denoise(ctx, flow))
	refused("a block that was not decoded", e.Denoise(ctx, flow))
	refused("latents beside a block", e.Commit(ctx, generate.Pass{Z: flow.Z}))
	refused("drawn tokens", tokens(generate.Sampling{Temperature: 1, RepetitionPenalty: 1}))
	accepted(tokens(greedy))
	refused("tokens twice", tokens(greedy))
	accepted(e.Commit(ctx, generate.Pass{}))
	refused("a commit twice", e.Commit(ctx, generate.Pass{}))
	if got := e.batch.dit[0]; got != rows || e.batch.decoder[0] != rows {
		t.Errorf("%d rows of the prior and %d of the decoder, want %d", got, e.batch.decoder[0], rows)
	}
	accepted(e.Commit(ctx, generate.Pass{Z: flow.Z}))
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	refused("a block after an interrupt", e.Denoise(cancelled, flow))
	refused("the batch after half of a block", e.Denoise(ctx, flow))
}

// TestLoopWaits counts what the host does in a block once its passes are recorded: it
// waits for the tokens alone.
func TestLoopWaits(t *testing.T) {
	long(t)
	const steps = 3
	file, cfg := model(t)
	for _, c := range []struct {
		name     string
		contract generate.Contract
		fuse     int
		drawn    bool
		want     meter.Calls
	}{
		// a graph for a step and one for the decoder; ids marked, tokens chosen, the block
		// kept and a flag cleared
		{"fused", generate.Exact, fuseRows, false, meter.Calls{Waits: 1, Uploads: 3, Graphs: steps + 1, Kernels: 4}},
		{"not fused", generate.Released, 0, false, meter.Calls{Waits: 1, Uploads: 3, Graphs: steps + 2, Kernels: 4}},
		{"drawn", generate.Released, fuseRows, true, meter.Calls{Waits: 1, Uploads: 2, Graphs: steps + 1, Kernels: 2}},
		{"drawn, exact", generate.Exact, fuseRows, true, meter.Calls{Waits: 2, Uploads: 2, Graphs: steps + 1, Kernels: 2}},
	} {
		d, err := emulated.Open(emulated.Options{})
		if err != nil {
			t.Skip("not run: ", err)
		}
		m := meter.New(d)
		opened, err := New(file, cfg, m, Options{Contract: c.contract, Extent: Extent{Batch: 2, PromptTokens: 8, NewTokens: 16}})
		if err != nil {
			t.Fatal(err)
		}
		opened.(*engine).fuseRows = c.fuse
		var after []meter.Calls
		inBlocks(t, opened, []int{1, 2}, func(o *generate.Options) {
			o.Steps, o.MaxNewTokens = steps, 16
			if c.drawn {
				o.Sampling.Temperature = 1
			}
			o.OnBlock = func(int, [][]int32) error { after = append(after, m.Calls()); return nil }
		})
		if d := cmp.Diff(c.want, after[3].Minus(after[2])); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
		if err := opened.Close(); err != nil {
			t.Error(err)
		}
	}
}
