package engine

import (
	"context"
	"errors"

	"colakit/kernels/device"
	"colakit/kernels/ops"
	"colakit/reference/generate"
)

// stepGraph is the launches of a step of one shape, recorded once. What changes from
// step to step and from block to block lies in device memory and is uploaded before:
// latents, timesteps' lines, positions, slots and pages.
type stepGraph struct {
	shape    stepShape
	graph    device.Graph
	velocity ops.Matrix
}

// stepShape is everything that the launches of a step depend on, addresses included.
type stepShape struct {
	rows, spans, tiles, pages          int
	cache, arena, lines, ropes, chunks int
}

func (g *stepGraph) close() error { return g.graph.Close() }

// step returns the velocity of both branches, rows z at the timesteps t.
func (e *engine) step(ctx context.Context, spans []ops.Span, z, t []float32) ([]float32, error) {
	p := e.begin(ctx, generate.Site{Stage: generate.Denoise}, e.dit.cache, e.cfg.DiT.BlockSize, spans)
	e.dit.reach(p)
	// The lines come before the latents: learning takes memory of its own.
	if k := e.dit.cond; k.embedding != nil && len(k.unknown(t)) > 0 {
		k.learn(p, t)
		if p.err != nil {
			return nil, p.err
		}
		p = e.begin(ctx, p.site, e.dit.cache, e.cfg.DiT.BlockSize, spans)
	}
	c := e.dit.cond.condition(p, t)
	latents := p.latents(z)
	if !p.alive() {
		return nil, p.err
	}
	v, err := e.launch(p, c, latents)
	p.fail(err)
	values := p.result(v)
	return values, p.err
}

// launch replays the recorded launches, or records them first.
func (e *engine) launch(p *pass, c *condition, z ops.Matrix) (ops.Matrix, error) {
	shape := e.shape(p)
	if g := e.graph; g != nil && g.shape == shape {
		return g.velocity, g.graph.Launch()
	}
	whole, before := *p.arena, e.scratch.grown()
	// The first time without recording, for it takes memory, which can't be recorded.
	v := e.dit.velocity(p, p.narrow(z, e.dit.txtIn), c)
	if p.err != nil || e.scratch.grown() != before {
		return v, p.err
	}
	if err := p.device.Synchronize(); err != nil {
		return v, err
	}
	p.arena = e.scratch.whole
	p.arena.chunk, p.arena.used, p.arena.taken, c.next = whole.chunk, whole.used, whole.taken, 0
	return v, e.record(p, c, z, shape)
}

// record records the launches of a step whose memory is all there.
func (e *engine) record(p *pass, c *condition, z ops.Matrix, shape stepShape) error {
	var errs []error
	if e.graph != nil {
		errs = append(errs, e.graph.close())
		e.graph = nil
	}
	var v ops.Matrix
	g, err := p.device.Capture(func() error {
		v = e.dit.velocity(p, p.narrow(z, e.dit.txtIn), c)
		return p.err
	})
	if err == nil {
		e.graph = &stepGraph{shape: shape, graph: g, velocity: v}
	}
	return errors.Join(append(errs, err)...)
}

func (e *engine) shape(p *pass) stepShape {
	s := stepShape{
		rows: p.rows, spans: len(p.spans), tiles: p.tiles.N, pages: p.pages.Cols,
		cache: e.dit.cache.grown, arena: e.scratch.grown(), lines: e.dit.cond.grown, chunks: e.scratch.whole.chunk,
	}
	for _, r := range e.ropes {
		s.ropes += r.grown
	}
	return s
}
