package reference

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/reference/generate"
)

// Options configure an engine. The zero value is the exact contract in float32 on
// every processor.
type Options struct {
	Contract generate.Contract
	// Activations, if Int8Activations, has every linear layer with int8 weights
	// quantise its inputs, each row by itself, and multiply integers; see
	// codedWeights. Layers of other weights and the patch convolution compute as
	// ever. It is an error without int8 weights.
	Activations generate.Activations
	Float64     bool // compute in float64, modulations of an AdaLN table aside; the exact contract and float activations only
	Workers     int  // goroutines that compute at the same time; 0: one per processor
}

// New returns an engine that computes the model of cfg with the weights of src,
// under their native names. Where src holds an AdaLN table in place of some, the
// engine's Model names the only schedule that it computes, and another contract than
// the table's is an error. Weights may be used where they lie in src: it must
// stay open until the engine is closed, and closing it is the caller's affair. A
// tensor that is missing or of another shape is an error that wraps
// tensor.ErrDamaged.
func New(src tensor.Source, cfg hf.Config, o Options) (generate.Engine, error) {
	if o.Workers < 0 {
		return nil, fmt.Errorf("reference: %d workers; wanted 0 (one per processor) or more", o.Workers)
	}
	if o.Workers == 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if !o.Float64 {
		return newEngine[float32](src, cfg, o)
	}
	if o.Contract == generate.Released {
		return nil, errors.New("reference: the released contract rounds to bfloat16 over float32; it has no float64 form")
	}
	return newEngine[float64](src, cfg, o)
}

// engine computes in T.
type engine[T number] struct {
	cfg      hf.Config
	options  Options
	encoder  *Encoder[T]
	dit      *DiT[T]
	decoder  *Decoder[T]
	schedule *hf.Schedule // the only one that can be computed; nil: any
	tap      generate.Tap
	batch    *batch // nil before Prefill and after Close
	closed   bool
}

// batch counts the cached rows of every sample.
type batch struct {
	dit, decoder []int
}

func newEngine[T number](src tensor.Source, cfg hf.Config, o Options) (generate.Engine, error) {
	schedule, err := generate.FindSchedule(src, o.Contract)
	if err != nil {
		return nil, fmt.Errorf("reference: %w", err)
	}
	e := &engine[T]{cfg: cfg, options: o, schedule: schedule}
	l := &loader[T]{
		src: src, released: o.Contract == generate.Released, int8: o.Activations == generate.Int8Activations, workers: o.Workers, schedule: schedule,
	}
	err = guard("loading", func() error {
		e.dit = newDiT(l, cfg.DiT)
		e.encoder, e.decoder = newVAE(l, cfg.VAE)
		return l.err
	})
	if err != nil {
		return nil, fmt.Errorf("reference: %w", err)
	}
	if l.int8 && l.coded == 0 {
		return nil, errors.New("reference: int8 activations are for layers with int8 weights, and this model has none; use float activations, or convert it with --type int8")
	}
	return e, nil
}

func (e *engine[T]) Model() generate.Model {
	return generate.Model{
		BlockSize: e.cfg.DiT.BlockSize, PatchSize: e.cfg.VAE.PatchSize,
		LatentDim: e.cfg.VAE.LatentDim, VocabSize: e.cfg.VAE.VocabSize,
		CrossTalk: !e.cfg.VAE.BlockCausal,
		Contract:  e.options.Contract, Activations: e.options.Activations, Schedule: e.schedule,
	}
}

func (e *engine[T]) Observe(tap generate.Tap) { e.tap = tap }

// Close forgets weights and caches.
func (e *engine[T]) Close() error {
	*e = engine[T]{cfg: e.cfg, options: e.options, schedule: e.schedule, closed: true}
	return nil
}

func (e *engine[T]) Encode(ctx context.Context, ids [][]int32) (latents [][]float32, err error) {
	err = e.enter("encode", func() error {
		latents, err = e.encode(ctx, ids)
		return err
	})
	return latents, err
}

func (e *engine[T]) Prefill(ctx context.Context, prefix [][]float32) error {
	return e.enter("prefill", func() error { return e.prefill(ctx, prefix) })
}

func (e *engine[T]) Velocity(ctx context.Context, p generate.Pass) (cond, uncond []float32, err error) {
	err = e.enter("velocity", func() error {
		cond, uncond, err = e.velocity(ctx, p)
		return err
	})
	return cond, uncond, err
}

func (e *engine[T]) Decode(ctx context.Context, p generate.Pass) (logits []float32, err error) {
	err = e.enter("decode", func() error {
		logits, err = e.decode(ctx, p)
		return err
	})
	return logits, err
}

func (e *engine[T]) Commit(ctx context.Context, p generate.Pass) error {
	return e.enter("commit", func() error { return e.commit(ctx, p) })
}

// enter runs one call of the engine.
func (e *engine[T]) enter(doing string, fn func() error) error {
	if e.closed {
		return fmt.Errorf("reference: %s: the engine is closed", doing)
	}
	if err := guard(doing, fn); err != nil {
		return fmt.Errorf("reference: %s: %w", doing, err)
	}
	return nil
}

// pass begins a pass over the rows of l.
func (e *engine[T]) pass(ctx context.Context, l *layout, site generate.Site) *pass[T] {
	return &pass[T]{
		ctx: ctx, workers: e.options.Workers, released: e.options.Contract == generate.Released,
		layout: l, tap: e.tap, site: site,
	}
}

// vaeBlock returns the block of the VAE's mask, which need not be the prior's.
func (e *engine[T]) vaeBlock() int {
	if !e.cfg.VAE.BlockCausal {
		return 0
	}
	return e.cfg.VAE.BlockSize
}

// latentValue returns rows [n, c] as a value.
func (e *engine[T]) latentValue(rows []float32) (value[T], error) {
	c := e.cfg.VAE.LatentDim
	if len(rows)%c != 0 {
		return value[T]{}, fmt.Errorf("%d values are no rows of %d channels", len(rows), c)
	}
	v := value[T]{m: newMatrix[T](len(rows)/c, c)}
	data := v.data()
	for i, x := range rows {
		data[i] = T(x)
	}
	return v, nil
}

// timesteps returns t as the prior takes it: rounded to bfloat16 under released.
func (e *engine[T]) timesteps(t []float32) []T {
	out := make([]T, len(t))
	for i, at := range t {
		if e.options.Contract == generate.Released {
			at = dtype.RoundBF16(at)
		}
		out[i] = T(at)
	}
	return out
}

// float32s returns the elements of rows from…to of v.
func float32s[T number](v value[T], from, to int) []float32 {
	data := v.data()[from*v.cols() : to*v.cols()]
	out := make([]float32, len(data))
	for i, x := range data {
		out[i] = float32(x)
	}
	return out
}
