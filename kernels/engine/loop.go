package engine

import (
	"context"
	"errors"
	"slices"

	"colakit/kernels/ops"
	"colakit/reference/generate"
)

// A loop runs blocks on the device: z stays there for all steps, and of a finished
// block only tokens come back. Everything that changes from step to step and from block
// to block lies in device memory, so the launches of a pass are recorded once.
type loop struct {
	memory *arena   // of places and of what the host tells
	placed bool     // there are places for the batch
	mark   position // behind them
	places
	plans

	held, committed, decoded bool // a block is held; its caches have it
	marked                   int  // ids of each sample that are in seen

	logits ops.Matrix // of the block that is held, in the work space of the pass over it

	stepping, fusing, committing, decoding recording
}

// places are those of a batch, for all of its blocks.
type places struct {
	z, last ops.Matrix // F32 [rows, c]: latents of the block in work, and of the one that is held
	chosen  ops.Vector // I32 [2·tokens + 1]: ids, which logits were no numbers, and whether velocities were none
	seen    ops.Vector // U8 [samples, vocab]: ids of earlier blocks

	guidance ops.Vector // F32 [samples]
	pinned   ops.Vector // I32 [3·rows]: 1 for all rows of a block at t = 0, then those of both branches
	line     ops.Vector // I32 [steps]: of modulations
	width    ops.Vector // F32 [steps]
	index    ops.Vector // I32: the step
	clean    int        // line of t = 0
}

// plans are the passes of a block.
type plans struct {
	step, fused, commit, decode plan
}

// A plan is a pass whose tables lie on the device.
type plan struct {
	spans []ops.Span
	tables
}

const (
	// fuseRows is the number of rows of a block of all samples up to which it is
	// committed in the first step of the next: with more a pass computes for longer
	// than it reads weights, and fusing would only take more work space.
	fuseRows = 256
	// stepsAtOnce bounds the steps whose modulations are there at a time.
	stepsAtOnce = 256
)

// Denoise implements generate.BlockEngine.
func (e *engine) Denoise(ctx context.Context, f generate.Flow) error {
	return e.enter("denoise", func() error {
		if e.batch == nil {
			return errNoBatch
		}
		if err := f.Check(e.Model(), len(e.batch.dit)); err != nil {
			return err
		}
		if e.loop.held && !e.loop.decoded {
			return errors.New("the block that is held has not been decoded")
		}
		err := e.denoiseBlock(ctx, f)
		if err != nil {
			e.batch = nil // half of a block is in the caches
		}
		return err
	})
}

func (e *engine) denoiseBlock(ctx context.Context, f generate.Flow) error {
	l, rows := e.loop, len(f.Z)/e.cfg.VAE.LatentDim
	pending := l.held && !l.committed
	fuse := pending && rows <= e.fuseRows
	if pending && !fuse {
		if err := e.commitHeld(ctx); err != nil {
			return err
		}
	}
	if err := e.place(rows); err != nil {
		return err
	}
	for first := 0; first < len(f.T); first += e.stepsAtOnce {
		end := min(first+e.stepsAtOnce, len(f.T))
		behind := l.memory.position()
		if err := e.timetable(ctx, f.T[first:end], f.Widths[first:end]); err != nil {
			return err
		}
		if first > 0 {
			l.memory.rewind(behind)
		} else if err := e.prepare(f, fuse); err != nil {
			return err
		}
		for step := first; step < end; step++ {
			if err := ctx.Err(); err != nil {
				return context.Cause(ctx)
			}
			if err := e.step(ctx, fuse && step == 0); err != nil {
				return err
			}
		}
	}
	if fuse {
		e.batch.dit = grown(e.batch.dit, e.blocks())
	}
	l.held, l.committed, l.decoded = true, false, false
	return e.device.Copy(l.last.Buffer, l.last.Offset, l.z.Buffer, l.z.Offset, extent(l.z))
}

// blocks returns the rows of a block of every sample.
func (e *engine) blocks() []int {
	return slices.Repeat([]int{e.cfg.DiT.BlockSize}, len(e.batch.dit))
}

// place gives room to what a batch keeps, once.
func (e *engine) place(rows int) error {
	l := e.loop
	if l.placed {
		return nil
	}
	l.memory.reset()
	p := &pass{engine: e, arena: l.memory}
	c, vocab := e.cfg.VAE.LatentDim, e.cfg.VAE.VocabSize
	l.last = p.matrix(ops.F32, rows, c)
	l.chosen = p.vector(ops.I32, 2*rows*e.decoder.patch+1)
	l.seen = p.vector(ops.U8, len(e.batch.dit)*vocab)
	l.mark, l.placed = l.memory.position(), p.err == nil
	return p.err
}

// prepare makes room for a block's keys and values and tells the device of its passes.
func (e *engine) prepare(f generate.Flow, fuse bool) error {
	l, block := e.loop, e.cfg.DiT.BlockSize
	rows, queries, before := l.last.Rows, e.blocks(), e.batch.dit
	if fuse {
		before = grown(before, queries)
	}
	l.plans = plans{}
	l.commit.spans = spansOf(before, queries)
	l.step.spans = append(spansOf(before, queries), shifted(e.apart(queries), rows)...)
	l.decode.spans = spansOf(e.batch.decoder, queries)
	if fuse {
		l.fused.spans = append(spansOf(e.batch.dit, queries), shifted(slices.Clone(l.step.spans), rows)...)
	}
	if err := e.reach(l.step.spans, l.decode.spans); err != nil {
		return err
	}
	var m image
	var z ops.Vector
	m.floats(&z, f.Z)
	m.floats(&l.guidance, f.Guidance)
	m.ints(&l.pinned, pinnedRows(f, block))
	m.tables(&l.commit.tables, e.dit.cache, l.commit.spans, block)
	m.tables(&l.step.tables, e.dit.cache, l.step.spans, block)
	m.tables(&l.decode.tables, e.decoder.cache, l.decode.spans, e.vaeBlock())
	if fuse { // in the end, so that the rest has the same places in every block
		m.tables(&l.fused.tables, e.dit.cache, l.fused.spans, block)
	}
	if err := m.upload(e.device, l.memory); err != nil {
		return err
	}
	l.z = l.last
	l.z.Buffer, l.z.Offset = z.Buffer, z.Offset
	broken := l.chosen.Slice(l.chosen.N-1, l.chosen.N)
	return e.device.Zero(broken.Buffer, broken.Offset, 4)
}

// pinnedRows are a block of clean rows and, twice, the flow's.
func pinnedRows(f generate.Flow, block int) []int32 {
	var clean, branch []int32
	for i := range f.Guidance {
		for row := range block {
			clean = append(clean, 1)
			if row < f.PinnedRows(i) {
				branch = append(branch, 1)
			} else {
				branch = append(branch, 0)
			}
		}
	}
	return slices.Concat(clean, branch, branch)
}

// reach makes room in the caches and the rotary tables for the spans of the prior and
// of the decoder.
func (e *engine) reach(prior, decoder []ops.Span) error {
	for _, s := range prior {
		if err := e.dit.cache.reserve(s.Sequence, s.Keys()); err != nil {
			return err
		}
	}
	for _, s := range decoder {
		if err := e.decoder.cache.reserve(s.Sequence, s.Keys()); err != nil {
			return err
		}
	}
	for _, b := range e.dit.blocks {
		if err := b.rope.reach(e, furthest(prior)); err != nil {
			return err
		}
	}
	return e.decoder.rope.reach(e, furthest(decoder))
}

// forget ends the batch: another one gets places of its own.
func (l *loop) forget() {
	l.placed, l.held, l.committed, l.decoded, l.marked = false, false, false, false, 0
}

func (l *loop) free() error {
	return errors.Join(closeAll(&l.stepping, &l.fusing, &l.committing, &l.decoding), l.memory.free())
}
