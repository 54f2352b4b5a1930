package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"colakit/kernels/ops"
	"colakit/reference/generate"
)

// This file decodes the block that a loop holds. Greedy tokens are chosen on the device,
// with the bits of generate.Sample. Drawn ones are not: their probabilities are sums that
// the host adds in another order, and the numbers that decide, one for each logit, come
// from the host's generator anyway.

// Tokens implements generate.BlockEngine.
func (e *engine) Tokens(ctx context.Context, seen [][]int32, s generate.Sampling) (ids []int32, broken []bool, err error) {
	err = e.enter("tokens", func() error {
		ids, broken, err = e.tokens(ctx, seen, s)
		return err
	})
	return ids, broken, err
}

func (e *engine) tokens(ctx context.Context, seen [][]int32, s generate.Sampling) ([]int32, []bool, error) {
	if !s.Greedy() {
		return nil, nil, fmt.Errorf("a temperature of %v: the device chooses the most probable tokens alone", s.Temperature)
	}
	if err := e.decodeHeld(ctx); err != nil {
		return nil, nil, err
	}
	l := e.loop
	n := l.logits.Rows
	o := ops.Sampling{Each: n / len(e.batch.dit), Penalty: float32(s.RepetitionPenalty), Round: e.types.wide}
	if s.RepetitionPenalty != 1 {
		if err := e.markSeen(seen); err != nil {
			return nil, nil, err
		}
		o.Seen = l.seen
	}
	if err := e.ops.Argmax(l.chosen.Slice(0, n), l.chosen.Slice(n, 2*n), l.logits, o); err != nil {
		return nil, nil, err
	}
	values, err := e.chosen()
	if err != nil {
		return nil, nil, err
	}
	broken := make([]bool, n)
	for i := range broken {
		broken[i] = values[n+i] != 0
	}
	if e.types.act == ops.F16 && (slices.Contains(broken, true) || values[2*n] != 0) {
		return nil, nil, errRange
	}
	return values[:n:n], broken, nil
}

// chosen downloads what was chosen.
func (e *engine) chosen() ([]int32, error) {
	v := e.loop.chosen
	raw := make([]byte, 4*v.N)
	if err := e.device.Download(raw, v.Buffer, v.Offset); err != nil {
		return nil, err
	}
	values := make([]int32, v.N)
	for i := range values {
		values[i] = int32(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return values, nil
}

// decodeHeld appends the block that is held to the decoder's cache and leaves its
// logits.
func (e *engine) decodeHeld(ctx context.Context) error {
	l := e.loop
	switch {
	case e.batch == nil:
		return errNoBatch
	case !l.held || l.decoded:
		return errors.New("no block is held that is not decoded")
	}
	p := e.over(ctx, e.decoder.cache, e.vaeBlock(), l.decode)
	if err := e.replayed(&l.decoding, p, func(p *pass) { l.logits = e.decoder.logits(p, l.last) }); err != nil {
		return err
	}
	e.batch.decoder, l.decoded = grown(e.batch.decoder, e.blocks()), true
	return nil
}

// heldLogits returns the logits of the block that is held.
func (e *engine) heldLogits(ctx context.Context) ([]float32, error) {
	if err := e.decodeHeld(ctx); err != nil {
		return nil, err
	}
	p := e.over(ctx, e.decoder.cache, 0, plan{})
	logits := p.result(e.loop.logits)
	if p.err != nil || e.types.act != ops.F16 {
		return logits, p.err
	}
	values, err := e.chosen()
	if err == nil && values[len(values)-1] != 0 {
		err = errRange
	}
	return logits, err
}

// markSeen notes the ids of earlier blocks that are not noted yet.
func (e *engine) markSeen(seen [][]int32) error {
	l, vocab := e.loop, e.cfg.VAE.VocabSize
	if len(seen) != len(e.batch.dit) {
		return fmt.Errorf("ids of %d samples, of %d", len(seen), len(e.batch.dit))
	}
	if l.marked == 0 {
		if err := e.device.Zero(l.seen.Buffer, l.seen.Offset, int64(l.seen.N)); err != nil {
			return err
		}
	}
	each := len(seen[0]) - l.marked
	var fresh []int32
	for i, ids := range seen {
		if len(ids)-l.marked != each || each < 0 {
			return fmt.Errorf("sample %d has shown %d ids, the first one %d; %d of each are known", i, len(ids), len(seen[0]), l.marked)
		}
		fresh = append(fresh, ids[l.marked:]...)
	}
	if each == 0 {
		return nil
	}
	var m image
	var ids ops.Vector
	m.ints(&ids, fresh)
	if err := m.upload(e.device, l.memory); err != nil {
		return err
	}
	l.marked += each
	return e.ops.MarkSeen(l.seen, ids, vocab, each)
}
