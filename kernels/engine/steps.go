package engine

import (
	"context"
	"errors"

	"colakit/kernels/ops"
	"colakit/reference/generate"
)

// This file has the passes of the prior that a loop makes.

// timetable computes the modulations of some steps and tells the device of them, at the
// start of what it is told about a block.
func (e *engine) timetable(ctx context.Context, t, widths []float32) error {
	l, used := e.loop, generate.TimestepsUsed(t, e.options.Contract)
	if err := e.learn(ctx, append(used, 0)); err != nil {
		return err
	}
	lines, err := e.dit.cond.linesOf(append(used, 0))
	if err != nil {
		return err
	}
	l.clean = int(lines[len(t)])
	var m image
	m.ints(&l.line, lines[:len(t)])
	m.floats(&l.width, widths)
	m.ints(&l.index, []int32{0})
	l.memory.rewind(l.mark)
	return m.upload(e.device, l.memory)
}

// learn computes the modulations of timesteps that are new.
func (e *engine) learn(ctx context.Context, t []float32) error {
	k := e.dit.cond
	if k.embedding == nil || len(k.unknown(t)) == 0 {
		return nil
	}
	p := e.over(ctx, nil, 0, plan{})
	k.learn(p, t)
	return p.err
}

// passKey is what the launches of a pass over a block depend on.
type passKey struct {
	places
	tables
	moves
	rows int
}

// launch replays a pass over the prior's cache.
func (e *engine) launch(ctx context.Context, r *recording, l plan, launches func(p *pass)) error {
	return e.replayed(r, e.over(ctx, e.dit.cache, e.cfg.DiT.BlockSize, l), launches)
}

func (e *engine) replayed(r *recording, p *pass, launches func(p *pass)) error {
	key := func() any { return passKey{e.loop.places, p.tables, e.moves(), p.rows} }
	return e.replay(r, key, func() error {
		launches(p)
		return p.err
	})
}

// step takes a step of both branches. With fused, the rows of the block that is held go
// ahead in the same pass: in every layer their keys and values are in the cache before
// the conditional branch reads them.
func (e *engine) step(ctx context.Context, fused bool) error {
	l := e.loop
	if !fused {
		return e.launch(ctx, &l.stepping, l.step, func(p *pass) { e.guided(p, l.z, l.z) })
	}
	return e.launch(ctx, &l.fusing, l.fused, func(p *pass) { e.guided(p, l.last, l.z, l.z) })
}

// guided is the launches of a step over rows of clean latents, if any, and both branches.
func (e *engine) guided(p *pass, parts ...ops.Matrix) {
	l, rows := e.loop, e.loop.z.Rows
	ahead := p.rows - 2*rows
	c := e.conditioned(p, l.pinned.Slice(rows-ahead, 3*rows))
	x := e.dit.trunk(p, e.operands(p, parts...), c)
	c.line = c.line.Slice(ahead, p.rows)
	v := e.dit.head(p, x.Slice(ahead, p.rows), c)
	p.do(func() error {
		return p.ops.GuidedStep(l.z, v.Slice(0, rows), v.Slice(rows, 2*rows), ops.Step{
			Guidance: l.guidance, Width: l.width, Index: l.index, Each: e.cfg.DiT.BlockSize,
			Pinned: l.pinned.Slice(rows, 2*rows), Clean: l.z, // pinned rows stay what they are
			Round: p.types.wide, Broken: l.chosen.Slice(l.chosen.N-1, l.chosen.N),
		})
	})
	p.do(func() error { return p.ops.NextStep(l.index) })
}

// conditioned has every row read the modulations of the step, or of t = 0.
func (e *engine) conditioned(p *pass, clean ops.Vector) *condition {
	l, line := e.loop, p.vector(ops.I32, p.rows)
	p.do(func() error { return p.ops.TimestepLines(line, l.line, l.index, clean, l.clean, p.rows) })
	return &condition{lines: e.dit.cond.lines, line: line}
}

// operands gathers latents as inputs of the prior.
func (e *engine) operands(p *pass, parts ...ops.Matrix) ops.Matrix {
	x, at := p.matrix(p.operand(e.dit.txtIn), p.rows, e.loop.z.Cols), 0
	for _, m := range parts {
		p.do(func() error { return p.ops.Convert(x.Slice(at, at+m.Rows), m, false) })
		at += m.Rows
	}
	return x
}

// commitHeld commits the block that is held in a pass of its own.
func (e *engine) commitHeld(ctx context.Context) error {
	l := e.loop
	switch {
	case e.batch == nil:
		return errNoBatch
	case !l.held || l.committed:
		return errors.New("no block is held that is not committed")
	}
	if err := e.learn(ctx, []float32{0}); err != nil {
		return err
	}
	lines, err := e.dit.cond.linesOf([]float32{0})
	if err != nil {
		return err
	}
	l.clean = int(lines[0])
	err = e.launch(ctx, &l.committing, l.commit, func(p *pass) {
		c := e.conditioned(p, l.pinned.Slice(0, l.last.Rows))
		e.dit.trunk(p, e.operands(p, l.last), c)
	})
	if err != nil {
		return err
	}
	e.batch.dit, l.committed = grown(e.batch.dit, e.blocks()), true
	return nil
}
