package bench

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"colakit/kernels/meter"
	"colakit/reference/generate"
)

// Spread is what repeated measurements have in common, in seconds.
type Spread struct {
	Best   float64 `json:"best"`
	Median float64 `json:"median"`
	Count  int     `json:"count"`
}

func spread(all []time.Duration) Spread {
	if len(all) == 0 {
		return Spread{}
	}
	sorted := slices.Sorted(slices.Values(all))
	return Spread{sorted[0].Seconds(), sorted[len(sorted)/2].Seconds(), len(sorted)}
}

// samples are the times of runs and of their parts.
type samples struct {
	encode, prefill, step, decode, commit, loop, block, run []time.Duration
	tokens                                                  int       // of one run
	perBlock                                                *PerBlock // of the last run; nil without a device
}

func (s *samples) add(o samples) {
	for _, p := range []struct {
		to   *[]time.Duration
		from []time.Duration
	}{
		{&s.encode, o.encode}, {&s.prefill, o.prefill}, {&s.step, o.step}, {&s.decode, o.decode},
		{&s.commit, o.commit}, {&s.loop, o.loop}, {&s.block, o.block}, {&s.run, o.run},
	} {
		*p.to = append(*p.to, p.from...)
	}
	s.tokens, s.perBlock = o.tokens, o.perBlock
}

// parts fills in what takes how long.
func (s *samples) parts(f *Figures) {
	f.Encode, f.Prefill, f.Step, f.Decode, f.Commit = spread(s.encode), spread(s.prefill), spread(s.step), spread(s.decode), spread(s.commit)
	f.Loop = spread(s.loop)
}

// whole fills in how long all takes.
func (s *samples) whole(f *Figures) {
	f.Block, f.Run = spread(s.block), spread(s.run)
	f.Speed = float64(s.tokens) / f.Run.Best
	f.PerBlock = s.perBlock
}

// stopwatch is an engine whose calls are timed. What passes between them is the
// loop's own work.
type stopwatch struct {
	generate.Engine
	samples
	began  time.Time     // of the block; at first, of the run
	inside time.Duration // spent in the engine since then

	meters []*meter.Device // of the engine
	calls  meter.Calls     // of them: those ahead of the first block, then those of the blocks
}

// blockwatch is a stopwatch of an engine that runs a block's loop by itself. It
// computes while it has returned from Denoise, so that parts are only told apart by
// waiting for it there.
type blockwatch struct {
	*stopwatch
	blocks generate.BlockEngine
	apart  bool // wait for every part
}

// asked returns what the devices were asked for so far.
func (w *stopwatch) asked() (all meter.Calls) {
	for _, d := range w.meters {
		all = all.Plus(d.Calls())
	}
	return all
}

// Denoise is timed as so many steps.
func (w *blockwatch) Denoise(ctx context.Context, f generate.Flow) error {
	if !w.apart {
		return w.blocks.Denoise(ctx, f)
	}
	var block []time.Duration
	err := w.time(&block, func() error {
		if err := w.blocks.Denoise(ctx, f); err != nil {
			return err
		}
		return w.wait()
	})
	w.step = append(w.step, block[0]/time.Duration(len(f.T)))
	return err
}

// wait waits for all devices.
func (w *blockwatch) wait() error {
	var errs []error
	for _, d := range w.meters {
		errs = append(errs, d.Synchronize())
	}
	return errors.Join(errs...)
}

// Tokens ends a block.
func (w *blockwatch) Tokens(ctx context.Context, seen [][]int32, s generate.Sampling) (ids []int32, broken []bool, err error) {
	err = w.time(&w.decode, func() error {
		ids, broken, err = w.blocks.Tokens(ctx, seen, s)
		return err
	})
	w.blockDone()
	return ids, broken, err
}

func (w *stopwatch) time(into *[]time.Duration, call func() error) error {
	start := time.Now()
	err := call()
	took := time.Since(start)
	w.inside += took
	*into = append(*into, took)
	return err
}

func (w *stopwatch) Encode(ctx context.Context, ids [][]int32) (latents [][]float32, err error) {
	err = w.time(&w.encode, func() error {
		latents, err = w.Engine.Encode(ctx, ids)
		return err
	})
	return latents, err
}

func (w *stopwatch) Prefill(ctx context.Context, prefix [][]float32) error {
	err := w.time(&w.prefill, func() error { return w.Engine.Prefill(ctx, prefix) })
	w.began, w.inside, w.calls = time.Now(), 0, w.asked()
	return err
}

func (w *stopwatch) Velocity(ctx context.Context, p generate.Pass) (cond, uncond []float32, err error) {
	err = w.time(&w.step, func() error {
		cond, uncond, err = w.Engine.Velocity(ctx, p)
		return err
	})
	return cond, uncond, err
}

func (w *stopwatch) Decode(ctx context.Context, p generate.Pass) (logits []float32, err error) {
	err = w.time(&w.decode, func() error {
		logits, err = w.Engine.Decode(ctx, p)
		return err
	})
	return logits, err
}

// Commit ends a block.
func (w *stopwatch) Commit(ctx context.Context, p generate.Pass) error {
	err := w.time(&w.commit, func() error { return w.Engine.Commit(ctx, p) })
	w.blockDone()
	return err
}

func (w *stopwatch) blockDone() {
	now := time.Now()
	w.block = append(w.block, now.Sub(w.began))
	w.loop = append(w.loop, now.Sub(w.began)-w.inside)
	w.began, w.inside = now, 0
}

// merge adds the times of another device.
func merge(all, more []meter.Kernel) []meter.Kernel {
	for _, k := range more {
		i := slices.IndexFunc(all, func(have meter.Kernel) bool { return have.Name == k.Name })
		if i < 0 {
			all = append(all, k)
			continue
		}
		all[i].Launches += k.Launches
		all[i].Total += k.Total
	}
	slices.SortStableFunc(all, func(a, b meter.Kernel) int { return cmp.Compare(b.Total, a.Total) })
	return all
}
