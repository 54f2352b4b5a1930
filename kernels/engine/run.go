package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"colakit/formats/dtype"
	"colakit/kernels/ops"
	"colakit/reference/generate"
)

// This file turns the calls of generate.Engine into passes.

func (e *engine) encode(ctx context.Context, ids [][]int32) ([][]float32, error) {
	if err := e.Model().CheckBatch(len(ids)); err != nil {
		return nil, err
	}
	rows := make([]int, len(ids))
	for i, sample := range ids {
		if len(sample)%e.encoder.patch != 0 {
			return nil, fmt.Errorf("sample %d: %d tokens, which is no multiple of the patch size %d", i, len(sample), e.encoder.patch)
		}
		if err := e.encoder.check(sample); err != nil {
			return nil, fmt.Errorf("sample %d: %w", i, err)
		}
		rows[i] = len(sample) / e.encoder.patch
	}
	if err := e.encoder.cache.reset(len(ids), encoderPages(rows, e.piece())); err != nil {
		return nil, err
	}
	latents, all := make([][]float32, len(ids)), slices.Concat(ids...)
	for _, spans := range e.pieces(rows, e.vaeBlock()) {
		n := rowsOf(spans) * e.encoder.patch
		if err := e.encodePiece(ctx, spans, all[:n], latents); err != nil {
			return nil, err
		}
		for _, s := range spans {
			if s.Keys() == rows[s.Sequence] || e.rehearsal { // nothing reads its keys any more
				e.encoder.cache.drop(s.Sequence)
			}
		}
		all = all[n:]
	}
	return latents, nil
}

// encodePiece appends the latents of some rows to those of their samples.
func (e *engine) encodePiece(ctx context.Context, spans []ops.Span, ids []int32, latents [][]float32) error {
	p := e.begin(ctx, generate.Site{Stage: generate.Encode}, e.encoder.cache, e.vaeBlock(), spans)
	p.do(func() error { return e.encoder.rope.reach(e, furthest(spans)) })
	out := e.encoder.forward(p, ids)
	values := p.result(out)
	if p.err != nil {
		return p.err
	}
	for _, s := range spans {
		latents[s.Sequence] = append(latents[s.Sequence], values[s.Row*out.Cols:(s.Row+s.Queries)*out.Cols]...)
	}
	return nil
}

// encoderPages bounds the pages that encoding samples of so many rows takes: those of a
// piece and of the rows ahead of it, the last of every sample not full.
func encoderPages(rows []int, piece int) int {
	total := 0
	for _, n := range rows {
		total += pagesOf(n)
	}
	return min(total, pagesOf(piece)+min(len(rows), piece)+pagesOf(slices.Max(append(rows, 0))))
}

// result reads the value that a pass ends with.
func (p *pass) result(m ops.Matrix) (values []float32) {
	p.do(func() (err error) {
		if values, err = p.load(m); err == nil && p.tap == nil {
			err = p.finite(values)
		}
		return err
	})
	return values
}

// finite refuses what came of numbers beyond the range of float16. A tap gets to see
// where they arise.
func (p *pass) finite(values []float32) error {
	if p.types.act != ops.F16 {
		return nil
	}
	for _, v := range values {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return errRange
		}
	}
	return nil
}

var errRange = errors.New("a result is not finite: under the exact contract the kernels multiply float16 numbers, and this model has values that are larger; run under the released contract, or use the reference engine")

func (e *engine) prefill(ctx context.Context, prefix [][]float32) error {
	e.batch = nil
	e.loop.forget()
	lengths, err := e.Model().PrefixLengths(prefix)
	if err != nil {
		return err
	}
	if err := e.emptyCaches(lengths); err != nil {
		return err
	}
	if z := slices.Concat(prefix...); len(z) > 0 {
		if err := e.fill(ctx, z, lengths); err != nil {
			return err
		}
	}
	e.batch = &batch{dit: lengths, decoder: slices.Clone(lengths)}
	return nil
}

// emptyCaches empties the caches and takes what a run of the batch needs.
func (e *engine) emptyCaches(prefix []int) error {
	dit, decoder, block := 0, 0, e.cfg.DiT.BlockSize
	for _, n := range prefix {
		dit += pagesOf(n+e.options.Extent.newRows(e.Model())) + pagesOf(block)
		decoder += pagesOf(n + e.options.Extent.newRows(e.Model()))
	}
	if err := e.dit.cache.reset(2*len(prefix), dit); err != nil { // the second half is for the unconditional branch
		return err
	}
	return e.decoder.cache.reset(len(prefix), decoder)
}

// fill writes clean prefixes z into the caches of both models.
func (e *engine) fill(ctx context.Context, z []float32, lengths []int) error {
	site, rest := generate.Site{Stage: generate.Prefill}, z
	for _, spans := range e.pieces(lengths, e.cfg.DiT.BlockSize) {
		n := rowsOf(spans) * e.cfg.VAE.LatentDim
		if err := e.clean(ctx, site, rest[:n], spans); err != nil {
			return err
		}
		rest = rest[n:]
	}
	for _, spans := range e.pieces(lengths, e.vaeBlock()) {
		n := rowsOf(spans) * e.cfg.VAE.LatentDim
		p := e.begin(ctx, site, e.decoder.cache, e.vaeBlock(), spans)
		p.keep = true
		p.do(func() error { return e.decoder.rope.reach(e, furthest(spans)) })
		e.decoder.trunk(p, p.latents(z[:n]))
		if err := p.finish(); err != nil {
			return err
		}
		z = z[n:]
	}
	return nil
}

// clean runs the prior over clean latents, at t = 0, to fill its cache.
func (e *engine) clean(ctx context.Context, site generate.Site, z []float32, spans []ops.Span) error {
	p := e.begin(ctx, site, e.dit.cache, e.cfg.DiT.BlockSize, spans)
	p.keep = true
	e.dit.reach(p)
	x := p.narrow(p.latents(z), e.dit.txtIn)
	e.dit.trunk(p, x, e.dit.cond.condition(p, make([]float32, p.rows)))
	return p.finish()
}

// finish waits for a pass of which nothing is read.
func (p *pass) finish() error {
	p.do(p.device.Synchronize)
	return p.err
}

// latents uploads rows of latents.
func (p *pass) latents(z []float32) ops.Matrix {
	c := p.cfg.VAE.LatentDim
	return p.floats(z, len(z)/c, c)
}

var errNoBatch = errors.New("no batch has been prefilled")

// checkBlock returns the rows of a block of every sample.
func (e *engine) checkBlock(p generate.Pass) ([]int, error) {
	switch {
	case e.batch == nil:
		return nil, errNoBatch
	case e.loop.held && !(e.loop.committed && e.loop.decoded):
		return nil, errors.New("a block is held that has not been decoded and committed")
	}
	c, size, n := e.cfg.VAE.LatentDim, e.cfg.DiT.BlockSize, len(e.batch.dit)
	if len(p.Z) != n*size*c {
		return nil, fmt.Errorf("%d values of latents, wanted %d: a block of %d rows of %d channels for each of %d samples", len(p.Z), n*size*c, size, c, n)
	}
	return slices.Repeat([]int{size}, n), nil
}

// timesteps returns t as the prior takes it: rounded to bfloat16 under released.
func (e *engine) timesteps(t []float32) []float32 {
	out := slices.Clone(t)
	if e.options.Contract == generate.Released {
		for i, at := range out {
			out[i] = dtype.RoundBF16(at)
		}
	}
	return out
}

// velocity computes both branches in one pass, for they share all weights; where a tap
// looks on, one after the other. The bits are the same.
func (e *engine) velocity(ctx context.Context, b generate.Pass) (cond, uncond []float32, err error) {
	queries, err := e.checkBlock(b)
	if err != nil {
		return nil, nil, err
	}
	if rows := len(b.Z) / e.cfg.VAE.LatentDim; len(b.T) != rows {
		return nil, nil, fmt.Errorf("%d timesteps for %d rows", len(b.T), rows)
	}
	spans, apart := spansOf(e.batch.dit, queries), e.apart(queries)
	t := e.timesteps(b.T)
	if e.tap == nil {
		both, err := e.denoise(ctx, generate.Site{}, append(spans, shifted(apart, len(b.T))...), slices.Concat(b.Z, b.Z), slices.Concat(t, t))
		if err != nil {
			return nil, nil, err
		}
		return both[:len(b.Z)], both[len(b.Z):], nil
	}
	site := generate.Site{Stage: generate.Denoise, Block: b.Block, Step: b.Step, Branch: generate.Cond}
	if cond, err = e.denoise(ctx, site, spans, b.Z, t); err != nil {
		return nil, nil, err
	}
	site.Branch = generate.Uncond
	uncond, err = e.denoise(ctx, site, apart, b.Z, t)
	return cond, uncond, err
}

// apart lays out the unconditional branch, which sees its own block alone.
func (e *engine) apart(queries []int) []ops.Span {
	spans := spansOf(make([]int, len(queries)), queries)
	for i := range spans {
		spans[i].Sequence += len(queries)
	}
	return spans
}

// shifted moves spans down by rows.
func shifted(spans []ops.Span, rows int) []ops.Span {
	for i := range spans {
		spans[i].Row += rows
	}
	return spans
}

// denoise returns the velocity of the rows z at the timesteps t.
func (e *engine) denoise(ctx context.Context, site generate.Site, spans []ops.Span, z, t []float32) ([]float32, error) {
	p := e.begin(ctx, site, e.dit.cache, e.cfg.DiT.BlockSize, spans)
	e.dit.reach(p)
	c := e.dit.cond.condition(p, t)
	v := e.dit.velocity(p, p.narrow(p.latents(z), e.dit.txtIn), c)
	values := p.result(v)
	return values, p.err
}

func (e *engine) decode(ctx context.Context, b generate.Pass) ([]float32, error) {
	if b.Z == nil {
		return e.heldLogits(ctx)
	}
	queries, err := e.checkBlock(b)
	if err != nil {
		return nil, err
	}
	spans := spansOf(e.batch.decoder, queries)
	site := generate.Site{Stage: generate.Decode, Block: b.Block}
	p := e.begin(ctx, site, e.decoder.cache, e.vaeBlock(), spans)
	p.keep = true
	p.do(func() error { return e.decoder.rope.reach(e, furthest(spans)) })
	values := e.decoder.logits(p, p.latents(b.Z))
	if e.rehearsal {
		return nil, p.err // they can be many
	}
	logits := p.result(values)
	if p.err != nil {
		return nil, p.err
	}
	e.batch.decoder = grown(e.batch.decoder, queries)
	return logits, nil
}

func (e *engine) commit(ctx context.Context, b generate.Pass) error {
	if b.Z == nil {
		return e.commitHeld(ctx)
	}
	queries, err := e.checkBlock(b)
	if err != nil {
		return err
	}
	if err := e.clean(ctx, generate.Site{Stage: generate.Commit, Block: b.Block}, b.Z, spansOf(e.batch.dit, queries)); err != nil {
		return err
	}
	e.batch.dit = grown(e.batch.dit, queries)
	return nil
}

// grown returns the element-wise sum.
func grown(lengths, by []int) []int {
	out := slices.Clone(lengths)
	for i, n := range by {
		out[i] += n
	}
	return out
}
