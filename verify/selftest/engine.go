package selftest

import (
	"context"
	"slices"

	"colakit/reference/generate"
)

// Engine calls the engine below it otherwise than it is called. Fields that are nil
// change nothing. Functions that change a Pass get one whose slices are their own.
type Engine struct {
	generate.Engine
	Encoded    func(latents [][]float32) [][]float32
	Prefix     func(prefix [][]float32) [][]float32
	Pass       func(s generate.Stage, p generate.Pass) generate.Pass
	Velocities func(cond, uncond []float32) (c, u []float32)
	Logits     func(p generate.Pass, logits []float32)
	Commits    func(p generate.Pass) (times int) // how often a block is committed
}

// around returns an injection of the Engine that make returns; state that a run
// needs lives in what make's closures share.
func around(make func() *Engine) Injection {
	return Injection{Engine: func(below generate.Engine) generate.Engine {
		e := make()
		e.Engine = below
		if p, ok := below.(generate.Partial); ok {
			return &partial{e, p}
		}
		return e
	}}
}

// partial is an Engine around one that does not show every value.
type partial struct {
	*Engine
	below generate.Partial
}

// Shows is that of the engine below.
func (p *partial) Shows(s generate.Site) bool { return p.below.Shows(s) }

func (e *Engine) pass(s generate.Stage, p generate.Pass) generate.Pass {
	if e.Pass == nil {
		return p
	}
	p.Z, p.T = slices.Clone(p.Z), slices.Clone(p.T)
	return e.Pass(s, p)
}

// Encode is that of generate.Engine.
func (e *Engine) Encode(ctx context.Context, ids [][]int32) ([][]float32, error) {
	latents, err := e.Engine.Encode(ctx, ids)
	if e.Encoded != nil && err == nil {
		latents = e.Encoded(latents)
	}
	return latents, err
}

// Prefill is that of generate.Engine.
func (e *Engine) Prefill(ctx context.Context, prefix [][]float32) error {
	if e.Prefix != nil {
		prefix = e.Prefix(slices.Clone(prefix))
	}
	return e.Engine.Prefill(ctx, prefix)
}

// Velocity is that of generate.Engine.
func (e *Engine) Velocity(ctx context.Context, p generate.Pass) (cond, uncond []float32, err error) {
	cond, uncond, err = e.Engine.Velocity(ctx, e.pass(generate.Denoise, p))
	if e.Velocities != nil && err == nil {
		cond, uncond = e.Velocities(cond, uncond)
	}
	return cond, uncond, err
}

// Decode is that of generate.Engine.
func (e *Engine) Decode(ctx context.Context, p generate.Pass) ([]float32, error) {
	logits, err := e.Engine.Decode(ctx, e.pass(generate.Decode, p))
	if e.Logits != nil && err == nil {
		e.Logits(p, logits)
	}
	return logits, err
}

// Commit is that of generate.Engine.
func (e *Engine) Commit(ctx context.Context, p generate.Pass) error {
	n := 1
	if e.Commits != nil {
		n = e.Commits(p)
	}
	for range n {
		if err := e.Engine.Commit(ctx, e.pass(generate.Commit, p)); err != nil {
			return err
		}
	}
	return nil
}
