package reference

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"colakit/reference/generate"
)

// This file turns the calls of generate.Engine into passes.

func (e *engine[T]) encode(ctx context.Context, ids [][]int32) ([][]float32, error) {
	if err := e.Model().CheckBatch(len(ids)); err != nil {
		return nil, err
	}
	l := &layout{block: e.vaeBlock()}
	for i, sample := range ids {
		if len(sample)%e.encoder.patch != 0 {
			return nil, fmt.Errorf("sample %d: %d tokens, which is no multiple of the patch size %d", i, len(sample), e.encoder.patch)
		}
		if err := e.encoder.wte.check(sample); err != nil {
			return nil, fmt.Errorf("sample %d: %w", i, err)
		}
		l.add(i, 0, len(sample)/e.encoder.patch)
	}
	p := e.pass(ctx, l, generate.Site{Stage: generate.Encode})
	out := e.encoder.forward(p, slices.Concat(ids...))
	if p.err != nil {
		return nil, p.err
	}
	latents := make([][]float32, len(ids))
	for i, s := range l.spans {
		latents[i] = float32s(out, s.first, s.first+s.queries)
	}
	return latents, nil
}

func (e *engine[T]) prefill(ctx context.Context, prefix [][]float32) error {
	e.batch = nil
	lengths, err := e.Model().PrefixLengths(prefix)
	if err != nil {
		return err
	}
	e.dit.reset(len(prefix))
	e.decoder.reset(len(prefix))
	z, err := e.latentValue(slices.Concat(prefix...))
	if err != nil {
		return err
	}
	if z.rows() > 0 {
		if err := e.fill(ctx, z, lengths); err != nil {
			return err
		}
	}
	e.batch = &batch{dit: lengths, decoder: slices.Clone(lengths)}
	return nil
}

// fill writes clean prefixes z [R, c] into the caches of both models.
func (e *engine[T]) fill(ctx context.Context, z value[T], lengths []int) error {
	site, none := generate.Site{Stage: generate.Prefill}, make([]int, len(lengths))
	p := e.pass(ctx, spansOf(e.cfg.DiT.BlockSize, none, lengths), site)
	p.keep = true
	e.dit.trunk(p, z, make([]T, z.rows()))
	if p.err != nil {
		return p.err
	}
	p = e.pass(ctx, spansOf(e.vaeBlock(), none, lengths), site)
	p.keep = true
	e.decoder.trunk(p, z)
	return p.err
}

// spansOf lays out a pass of queries rows of every sample after its cached ones.
func spansOf(block int, cached, queries []int) *layout {
	l := &layout{block: block}
	for i, n := range queries {
		l.add(i, cached[i], n)
	}
	return l
}

// block returns the latents of a block of every sample, and its rows per sample.
func (e *engine[T]) block(p generate.Pass) (z value[T], queries []int, err error) {
	if e.batch == nil {
		return z, nil, errors.New("no batch has been prefilled")
	}
	if z, err = e.latentValue(p.Z); err != nil {
		return z, nil, err
	}
	size, n := e.cfg.DiT.BlockSize, len(e.batch.dit)
	if z.rows() != n*size {
		return z, nil, fmt.Errorf("%d rows of latents, wanted %d: a block of %d for each of %d samples", z.rows(), n*size, size, n)
	}
	return z, slices.Repeat([]int{size}, n), nil
}

// velocity computes both branches in one pass, for they share all weights; where
// a tap looks on, one after the other. The bits are the same.
func (e *engine[T]) velocity(ctx context.Context, p generate.Pass) (cond, uncond []float32, err error) {
	z, queries, err := e.block(p)
	if err != nil {
		return nil, nil, err
	}
	if len(p.T) != z.rows() {
		return nil, nil, fmt.Errorf("%d timesteps for %d rows", len(p.T), z.rows())
	}
	size, none := e.cfg.DiT.BlockSize, make([]int, len(queries))
	if e.tap == nil {
		l := spansOf(size, e.batch.dit, queries)
		for i, n := range queries {
			l.add(i, 0, n)
		}
		both, err := e.denoise(ctx, generate.Site{}, l, twice(z), e.timesteps(slices.Concat(p.T, p.T)))
		if err != nil {
			return nil, nil, err
		}
		return both[:len(p.Z)], both[len(p.Z):], nil
	}
	site := generate.Site{Stage: generate.Denoise, Block: p.Block, Step: p.Step, Branch: generate.Cond}
	if cond, err = e.denoise(ctx, site, spansOf(size, e.batch.dit, queries), z, e.timesteps(p.T)); err != nil {
		return nil, nil, err
	}
	site.Branch = generate.Uncond
	uncond, err = e.denoise(ctx, site, spansOf(size, none, queries), z, e.timesteps(p.T))
	return cond, uncond, err
}

// denoise returns the velocity of the rows z [R, c] at the timesteps t [R].
func (e *engine[T]) denoise(ctx context.Context, site generate.Site, l *layout, z value[T], t []T) ([]float32, error) {
	p := e.pass(ctx, l, site)
	v := e.dit.velocity(p, z, t)
	if p.err != nil {
		return nil, p.err
	}
	return float32s(v, 0, v.rows()), nil
}

// twice returns v above a copy of itself.
func twice[T number](v value[T]) value[T] {
	out := value[T]{newMatrix[T](2*v.rows(), v.cols()), v.bf16}
	copy(out.data()[copy(out.data(), v.data()):], v.data())
	return out
}

func (e *engine[T]) decode(ctx context.Context, b generate.Pass) ([]float32, error) {
	z, queries, err := e.block(b)
	if err != nil {
		return nil, err
	}
	p := e.pass(ctx, spansOf(e.vaeBlock(), e.batch.decoder, queries), generate.Site{Stage: generate.Decode, Block: b.Block})
	p.keep = true
	logits := e.decoder.logits(p, z)
	if p.err != nil {
		e.decoder.truncate(e.batch.decoder)
		return nil, p.err
	}
	e.batch.decoder = grown(e.batch.decoder, queries)
	return float32s(logits, 0, logits.rows()), nil
}

func (e *engine[T]) commit(ctx context.Context, b generate.Pass) error {
	z, queries, err := e.block(b)
	if err != nil {
		return err
	}
	p := e.pass(ctx, spansOf(e.cfg.DiT.BlockSize, e.batch.dit, queries), generate.Site{Stage: generate.Commit, Block: b.Block})
	p.keep = true
	e.dit.trunk(p, z, make([]T, z.rows()))
	if p.err != nil {
		e.dit.truncate(e.batch.dit)
		return p.err
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
