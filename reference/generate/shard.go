package generate

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// Shard returns one engine made of several that compute the same model: it gives
// each a run of a batch's samples and has them compute at the same time. As the loop
// around them stays one, and a sample's values do not depend on the batch it is in,
// neither noise, nor drawn tokens, nor the order of results depend on their number.
// While a tap looks on, the first engine computes alone. The engine is a BlockEngine if
// all are. Close closes all.
func Shard(engines []Engine) Engine {
	if len(engines) == 1 {
		return engines[0]
	}
	s := &sharded{engines: engines, observed: engines[:1]}
	for _, e := range engines {
		if _, ok := e.(BlockEngine); !ok {
			return s
		}
	}
	return &shardedBlocks{s}
}

type sharded struct {
	engines  []Engine
	observed []Engine // the first, while a tap looks on
	tapped   bool
	parts    []part // of the batch that Prefill began
	samples  int
}

// part is the samples first to before end, of one engine.
type part struct {
	Engine
	first, end int
}

func (s *sharded) Model() Model { return s.engines[0].Model() }

func (s *sharded) Observe(tap Tap) {
	s.tapped = tap != nil
	s.engines[0].Observe(tap)
}

// Close closes all engines.
func (s *sharded) Close() error {
	var errs []error
	for _, e := range s.engines {
		errs = append(errs, e.Close())
	}
	return errors.Join(errs...)
}

// divide gives every engine as many samples as the others, or one more. Engines for
// which none are left have no part.
func (s *sharded) divide(samples int) []part {
	engines := s.engines
	if s.tapped {
		engines = s.observed
	}
	var parts []part
	for i, e := range engines {
		p := part{e, i * samples / len(engines), (i + 1) * samples / len(engines)}
		if p.end > p.first {
			parts = append(parts, p)
		}
	}
	if len(parts) == 0 { // let the engine say that there is nothing to do
		parts = []part{{engines[0], 0, 0}}
	}
	return parts
}

// each runs f for every part at the same time.
func each(parts []part, f func(i int, p part) error) error {
	errs := make([]error, len(parts))
	var all sync.WaitGroup
	for i, p := range parts {
		all.Add(1)
		go func() {
			defer all.Done()
			errs[i] = f(i, p)
		}()
	}
	all.Wait()
	return errors.Join(errs...)
}

func (s *sharded) Encode(ctx context.Context, ids [][]int32) ([][]float32, error) {
	parts := s.divide(len(ids))
	latents := make([][][]float32, len(parts))
	err := each(parts, func(i int, p part) (err error) {
		latents[i], err = p.Encode(ctx, ids[p.first:p.end])
		return err
	})
	return slices.Concat(latents...), err
}

func (s *sharded) Prefill(ctx context.Context, prefix [][]float32) error {
	s.parts, s.samples = s.divide(len(prefix)), len(prefix)
	return each(s.parts, func(_ int, p part) error { return p.Prefill(ctx, prefix[p.first:p.end]) })
}

func (s *sharded) Velocity(ctx context.Context, b Pass) (cond, uncond []float32, err error) {
	c, u := make([][]float32, len(s.parts)), make([][]float32, len(s.parts))
	err = s.run(b, func(i int, p part, b Pass) (err error) {
		c[i], u[i], err = p.Velocity(ctx, b)
		return err
	})
	return slices.Concat(c...), slices.Concat(u...), err
}

func (s *sharded) Decode(ctx context.Context, b Pass) ([]float32, error) {
	logits := make([][]float32, len(s.parts))
	err := s.run(b, func(i int, p part, b Pass) (err error) {
		logits[i], err = p.Decode(ctx, b)
		return err
	})
	return slices.Concat(logits...), err
}

func (s *sharded) Commit(ctx context.Context, b Pass) error {
	return s.run(b, func(_ int, p part, b Pass) error { return p.Commit(ctx, b) })
}

// run gives every part its rows of a pass.
func (s *sharded) run(b Pass, f func(i int, p part, b Pass) error) error {
	if len(s.parts) == 0 {
		return errors.New("no batch has been prefilled")
	}
	return each(s.parts, func(i int, p part) error {
		own := b
		own.Z, own.T = s.rows(b.Z, p), s.rows(b.T, p)
		return f(i, p, own)
	})
}

// rows returns those of the part's samples.
func (s *sharded) rows(values []float32, p part) []float32 {
	if values == nil || s.samples == 0 {
		return values
	}
	width := len(values) / s.samples
	return values[p.first*width : p.end*width]
}

// shardedBlocks is made of engines that all are BlockEngines.
type shardedBlocks struct{ *sharded }

func (s *shardedBlocks) Denoise(ctx context.Context, f Flow) error {
	return s.run(Pass{Z: f.Z}, func(_ int, p part, b Pass) error {
		own := f
		own.Z, own.Guidance = b.Z, s.rows(f.Guidance, p)
		if f.Pinned != nil {
			own.Pinned = f.Pinned[p.first:p.end]
		}
		return p.Engine.(BlockEngine).Denoise(ctx, own)
	})
}

func (s *shardedBlocks) Tokens(ctx context.Context, seen [][]int32, o Sampling) (ids []int32, broken []bool, err error) {
	all, judged := make([][]int32, len(s.parts)), make([][]bool, len(s.parts))
	err = s.run(Pass{}, func(i int, p part, _ Pass) (err error) {
		all[i], judged[i], err = p.Engine.(BlockEngine).Tokens(ctx, seen[p.first:p.end], o)
		return err
	})
	return slices.Concat(all...), slices.Concat(judged...), err
}

// Shows reports what the engine that a tap looks on shows.
func (s *sharded) Shows(site Site) bool {
	p, ok := s.engines[0].(Partial)
	return !ok || p.Shows(site)
}
