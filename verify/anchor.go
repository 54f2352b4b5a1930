package verify

import (
	"context"
	"slices"

	"colakit/reference/generate"
)

// blockDone returns what a mode does after a block: it keeps the ids and goes on with
// the golden's. After a block with other ids, or with latents that fail, a generation
// goes on with the golden's latents, too, so that later blocks are judged by
// themselves. Its own stop rules end it where everything is selected.
func (s *session) blockDone(p *plan, e *sparse) func(int, [][]int32) error {
	return func(block int, ids [][]int32) error {
		s.keepIDs(p, block, ids)
		e.journal.ids(block, s.ids[p.mode][block])
		differ := s.replaceIDs(block, ids)
		if p.mode == Generation && block < s.info.Run.Blocks-1 && (differ || s.latentsFailed(block)) {
			e.anchored = s.latentsKnown(block)
			s.anchors = append(s.anchors, Anchor{block, differ, e.anchored})
		}
		if p.mode == Generation && s.options.Select.All() {
			return nil
		}
		return p.stop(block)
	}
}

// keepIDs notes what a generation decodes, and what is decoded from the golden's
// latents.
func (s *session) keepIDs(p *plan, block int, ids [][]int32) {
	if p.mode == Generation || p.mode == Free && block <= p.decode && s.latentsKnown(block) {
		own := make([][]int32, len(ids))
		for i := range ids {
			own[i] = slices.Clone(ids[i])
		}
		s.ids[p.mode][block] = own
	}
}

// againDone is blockDone for a run that repeats one of the generation, as far as its
// latents are concerned.
func (s *session) againDone(p *plan, e *sparse) func(int, [][]int32) error {
	return func(block int, ids [][]int32) error {
		s.replaceIDs(block, ids)
		e.anchored = p.mode == Generation && slices.ContainsFunc(s.anchors, func(a Anchor) bool { return a.Block == block && a.Latents })
		return p.stop(block)
	}
}

// replaceIDs puts the golden's ids of a block in place of others and reports whether
// there were any.
func (s *session) replaceIDs(block int, ids [][]int32) (differ bool) {
	for i, sample := range s.info.Samples {
		if block < len(sample.Blocks) && i < len(ids) && len(sample.Blocks[block]) == len(ids[i]) {
			differ = differ || !slices.Equal(ids[i], sample.Blocks[block])
			copy(ids[i], sample.Blocks[block])
		}
	}
	return differ
}

// latentsKnown reports whether the final latents of the blocks up to one are recorded.
func (s *session) latentsKnown(block int) bool {
	for b := range block + 1 {
		if _, held := s.order[s.finalLatents(b).String()]; !held {
			return false
		}
	}
	return true
}

// latentsFailed reports whether the final latents of a generated block break their
// rule.
func (s *session) latentsFailed(block int) bool {
	name := s.finalLatents(block).String()
	return slices.ContainsFunc(s.comparisons, func(c *Comparison) bool { return c.Mode == Generation && c.Name == name && c.Failed() })
}

func (s *session) finalLatents(block int) generate.Site {
	return generate.Site{Stage: generate.Denoise, Block: block, Step: s.info.Run.Steps - 1, Path: "z_next"}
}

// replay fills the engine's caches anew with the golden's latents, up to and with a
// block, unobserved.
func (e *sparse) replay(ctx context.Context, last int) error {
	e.Engine.Observe(nil)
	defer e.Engine.Observe(e.tap)
	prefix, err := e.session.goldenPrefix(e.Model())
	if err != nil {
		return err
	}
	if err := e.Engine.Prefill(ctx, prefix); err != nil {
		return err
	}
	for block := range last + 1 {
		z, _, err := e.session.golden(e.session.finalLatents(block))
		if err != nil {
			return err
		}
		p := generate.Pass{Block: block, Z: z}
		if _, err := e.Engine.Decode(ctx, p); err != nil {
			return err
		}
		if err := e.Engine.Commit(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// goldenPrefix returns the latents of every sample's prefix.
func (s *session) goldenPrefix(m generate.Model) ([][]float32, error) {
	all, _, err := s.golden(latentsSite)
	if err != nil {
		return nil, err
	}
	prefix := make([][]float32, len(s.info.Samples))
	for i, sample := range s.info.Samples {
		n := len(sample.TokenIDs) / m.PatchSize * m.LatentDim
		prefix[i] = all[:min(sample.PrefixLatents*m.LatentDim, len(all))]
		all = all[min(n, len(all)):]
	}
	return prefix, nil
}
