package bench

import (
	"cmp"
	"context"
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
	tokens                                                  int // of one run
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
	s.tokens = o.tokens
}

func (s *samples) figures(f *Figures) {
	f.Encode, f.Prefill, f.Step, f.Decode, f.Commit = spread(s.encode), spread(s.prefill), spread(s.step), spread(s.decode), spread(s.commit)
	f.Loop, f.Block, f.Run = spread(s.loop), spread(s.block), spread(s.run)
	f.Speed = float64(s.tokens) / f.Run.Best
}

// stopwatch is an engine whose calls are timed. What passes between them is the
// loop's own work.
type stopwatch struct {
	generate.Engine
	samples
	began  time.Time     // of the block; at first, of the run
	inside time.Duration // spent in the engine since then
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
	w.began, w.inside = time.Now(), 0
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
	now := time.Now()
	w.block = append(w.block, now.Sub(w.began))
	w.loop = append(w.loop, now.Sub(w.began)-w.inside)
	w.began, w.inside = now, 0
	return err
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
