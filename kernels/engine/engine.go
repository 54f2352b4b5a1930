package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/kernels/device"
	"colakit/kernels/ops"
	"colakit/reference/generate"
)

// Options configure an engine. The zero value is the exact contract.
type Options struct {
	Contract generate.Contract
	// Activations, if Int8Activations, has every linear layer with int8 weights
	// quantise its inputs, each row by itself, and multiply integers. It is an error
	// without int8 weights.
	Activations generate.Activations
	// Memory bounds the bytes that are taken on the device, caches included; 0: what is
	// free there.
	Memory int64
	// Extent is the largest run that memory is planned and taken for.
	Extent Extent
	// Schedule, if set, is the only one that will be run: its modulations are computed
	// when the engine is made, and AdaLN's weights are not kept, unless they take less
	// memory than the modulations. A model with an AdaLN table has its own.
	Schedule *hf.Schedule
}

// New returns an engine that computes the model of cfg on a device, with the weights
// of src under their native names. It reads src here only. The device is the
// engine's from now on: Close closes it, and so does New on an error. A tensor that
// is missing or of another shape is an error that wraps tensor.ErrDamaged; a model
// that is too large for the device is one that wraps device.ErrMemory, and says so
// before anything is uploaded.
func New(src tensor.Source, cfg hf.Config, d device.Device, o Options) (generate.Engine, error) {
	e, err := newEngine(src, cfg, d, o)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("kernels: %w", err), d.Close())
	}
	return e, nil
}

type engine struct {
	cfg       hf.Config
	options   Options
	device    device.Device
	ops       *ops.Ops
	schedule  *hf.Schedule // the only one that can be computed; nil: any
	scheduled bool         // the model has others
	types     types
	plan      Plan
	weights   []device.Buffer
	scratch   *scratch
	ropes     []*rotary

	encoder *encoder
	dit     *dit
	decoder *decoder
	batch   *batch // nil before Prefill and after Close
	tap     generate.Tap

	pieceRows   int      // the most of a pass over prompts
	fuseRows    int      // the most of a block that is committed in a step of the next
	stepsAtOnce int      // the most whose modulations are there at a time
	rehearsal   bool     // there are neither weights nor values
	narrowed    []string // weights that become float16 and may be beyond it
	loop        *loop    // of blocks
	closed      bool
}

// types are those that a contract gives values on the device.
type types struct {
	act  ops.Type // of what is multiplied: 16 bits
	wide ops.Type // of what linear layers give
	norm ops.Type // of sums that PyTorch keeps in float32 under both contracts
}

// typesOf returns bfloat16 for all that the released contract rounds to it, and
// float16 for operands alone under the exact one.
func typesOf(c generate.Contract) types {
	if c == generate.Released {
		return types{act: ops.BF16, wide: ops.BF16, norm: ops.F32}
	}
	return types{act: ops.F16, wide: ops.F32, norm: ops.F32}
}

// batch counts the cached rows of every sample.
type batch struct {
	dit, decoder []int
}

// sumsWithin returns the bytes for partial sums of linear layers: less where there is
// little memory.
func sumsWithin(limit int64) int64 {
	const most = 64 << 20
	if limit > 0 {
		return max(1<<20, min(most, limit/16))
	}
	return most
}

func newEngine(src tensor.Source, cfg hf.Config, d device.Device, o Options) (*engine, error) {
	plan, err := PlanFor(src, cfg, d.Info(), o)
	if err == nil {
		err = plan.Check(d.Info(), o)
	}
	if err == nil {
		err = checkRange(src, plan.narrowed)
	}
	if err != nil {
		return nil, err
	}
	o.Extent = plan.Extent
	e, err := build(src, cfg, d, o, plan.room.sums, false)
	if err != nil {
		return nil, err
	}
	e.plan = plan
	return e, e.makeRoom(plan.room)
}

// build makes the engine; without its weights if it is for a rehearsal.
func build(src tensor.Source, cfg hf.Config, d device.Device, o Options, sums int64, rehearsal bool) (*engine, error) {
	schedule, err := generate.FindSchedule(src, o.Contract)
	if err != nil {
		return nil, err
	}
	e := &engine{
		cfg: cfg, options: o, device: d, schedule: schedule, types: typesOf(o.Contract),
		pieceRows: pieceRows, fuseRows: fuseRows, stepsAtOnce: stepsAtOnce,
		scratch: newScratch(d), loop: &loop{memory: &arena{device: d}}, rehearsal: rehearsal,
	}
	if e.ops, err = ops.New(d, sums); err != nil {
		return nil, err
	}
	l := &loader{src: src, engine: e}
	e.dit = newDiT(l, cfg.DiT)
	e.encoder, e.decoder = newVAE(l, cfg.VAE)
	switch {
	case l.err != nil:
		return nil, l.err
	case o.Activations == generate.Int8Activations && l.coded == 0:
		return nil, errors.New("int8 activations are for layers with int8 weights, and this model has none; use float activations, or convert it with --type int8")
	}
	e.narrowed = l.narrowed
	return e, nil
}

func (e *engine) Model() generate.Model {
	return generate.Model{
		BlockSize: e.cfg.DiT.BlockSize, PatchSize: e.cfg.VAE.PatchSize,
		LatentDim: e.cfg.VAE.LatentDim, VocabSize: e.cfg.VAE.VocabSize,
		CrossTalk: !e.cfg.VAE.BlockCausal, Kernels: true,
		Contract: e.options.Contract, Activations: e.options.Activations, Schedule: e.schedule, Scheduled: e.scheduled,
	}
}

func (e *engine) Observe(tap generate.Tap) { e.tap = tap }

// Close frees what was allocated, and closes the device.
func (e *engine) Close() error {
	if e.closed {
		return nil
	}
	e.closed, e.batch = true, nil
	return errors.Join(e.release(), e.device.Close())
}

// release gives all memory back.
func (e *engine) release() error {
	var errs []error
	for _, b := range e.weights {
		errs = append(errs, e.device.Free(b))
	}
	e.weights = nil
	for _, r := range e.ropes {
		errs = append(errs, r.free(e))
	}
	errs = append(errs, e.loop.free(), e.scratch.free(), e.dit.cache.free(), e.decoder.cache.free(), e.encoder.cache.free(), e.ops.Close())
	return errors.Join(errs...)
}

func (e *engine) Encode(ctx context.Context, ids [][]int32) (latents [][]float32, err error) {
	err = e.enter("encode", func() error {
		latents, err = e.encode(ctx, ids)
		return err
	})
	return latents, err
}

func (e *engine) Prefill(ctx context.Context, prefix [][]float32) error {
	return e.enter("prefill", func() error { return e.prefill(ctx, prefix) })
}

func (e *engine) Velocity(ctx context.Context, p generate.Pass) (cond, uncond []float32, err error) {
	err = e.enter("velocity", func() error {
		cond, uncond, err = e.velocity(ctx, p)
		return err
	})
	return cond, uncond, err
}

func (e *engine) Decode(ctx context.Context, p generate.Pass) (logits []float32, err error) {
	err = e.enter("decode", func() error {
		logits, err = e.decode(ctx, p)
		return err
	})
	return logits, err
}

func (e *engine) Commit(ctx context.Context, p generate.Pass) error {
	return e.enter("commit", func() error { return e.commit(ctx, p) })
}

// enter runs one call of the engine.
func (e *engine) enter(doing string, fn func() error) error {
	if e.closed {
		return fmt.Errorf("kernels: %s: the engine is closed", doing)
	}
	if err := fn(); err != nil {
		return fmt.Errorf("kernels: %s: %w", doing, err)
	}
	return nil
}

// vaeBlock returns the block of the VAE's mask, which need not be the prior's.
func (e *engine) vaeBlock() int {
	if !e.cfg.VAE.BlockCausal {
		return 0
	}
	return e.cfg.VAE.BlockSize
}

// hidden are the operations whose values exist in no kernel's memory: what follows
// them is computed by the same kernel.
var hidden = []string{
	"msa.norm", "mlp.norm", "msa.q_rot", "msa.k_rot", "msa.scores", "dit.txt_out_norm",
	"attn.k", "attn.q_rot", "attn.k_rot", "attn.scores", "vae.encoder.wte",
}

// Shows reports whether the engine shows a value, if it computes it at all.
func (e *engine) Shows(site generate.Site) bool {
	op := operation(site.Path)
	if slices.Contains(hidden, op) {
		return false
	}
	return op != "ffn.hidden" || e.cfg.VAE.Act != "swiglu"
}

var (
	_ generate.Partial     = (*engine)(nil)
	_ generate.BlockEngine = (*engine)(nil)
)
