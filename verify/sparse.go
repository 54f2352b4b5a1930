package verify

import (
	"context"
	"errors"

	"colakit/reference/generate"
	"colakit/verify/catalog"
)

// sparse is the engine of one mode: calls that nothing of the plan depends on are
// answered with the golden's values, or ended, and everything else is computed.
type sparse struct {
	generate.Engine
	session  *session
	plan     *plan
	journal  *journal // nil: none
	tap      generate.Tap
	anchored bool // the next commit takes the golden's latents, of all blocks
}

// errEnough ends a run whose plan needs no more of it.
var errEnough = errors.New("nothing more is wanted")

// Observe implements generate.Engine.
func (e *sparse) Observe(tap generate.Tap) {
	e.tap = tap
	e.Engine.Observe(tap)
}

func (e *sparse) Encode(ctx context.Context, ids [][]int32) ([][]float32, error) {
	if err := e.session.halted(ctx); err != nil {
		return nil, err
	}
	all, ok, err := e.session.golden(latentsSite)
	if err != nil || !ok || e.plan.encodes() {
		return e.Engine.Encode(ctx, ids)
	}
	latents := make([][]float32, len(ids))
	m := e.Model()
	for i := range ids {
		n := len(ids[i]) / m.PatchSize * m.LatentDim
		if n > len(all) {
			return e.Engine.Encode(ctx, ids) // another layout of the prompts is reported elsewhere
		}
		latents[i], all = all[:n], all[n:]
	}
	return latents, nil
}

var latentsSite = generate.Site{Stage: generate.Encode, Path: "vae.latents"}

func (e *sparse) Prefill(ctx context.Context, prefix [][]float32) error {
	switch err := e.session.halted(ctx); {
	case err != nil:
		return err
	case e.plan.prefills():
		return e.Engine.Prefill(ctx, prefix)
	case e.plan.last < 0:
		return errEnough
	}
	return nil
}

func (e *sparse) Velocity(ctx context.Context, p generate.Pass) (cond, uncond []float32, err error) {
	if err := e.session.halted(ctx); err != nil {
		return nil, nil, err
	}
	site := generate.Site{Stage: generate.Denoise, Block: p.Block, Step: p.Step, Path: catalog.Velocity}
	if cond, uncond, ok := e.journal.known(passOf(site)); ok {
		return cond, uncond, nil
	}
	cond, uncond, ok, err := e.session.velocities(site)
	ok = ok && len(cond) == len(p.Z) && len(uncond) == len(p.Z)
	switch {
	case err != nil || e.plan.denoises(p.Block, p.Step, ok):
		cond, uncond, err = e.Engine.Velocity(ctx, p)
		e.journal.velocity(passOf(site), cond, uncond)
		return cond, uncond, err
	case !ok:
		return make([]float32, len(p.Z)), make([]float32, len(p.Z)), nil
	}
	return cond, uncond, nil
}

func (e *sparse) Decode(ctx context.Context, p generate.Pass) ([]float32, error) {
	if err := e.session.halted(ctx); err != nil {
		return nil, err
	}
	if e.plan.decodes(p.Block) {
		return e.Engine.Decode(ctx, p)
	}
	m := e.Model()
	return make([]float32, len(p.Z)/m.LatentDim*m.PatchSize*m.VocabSize), nil
}

func (e *sparse) Commit(ctx context.Context, p generate.Pass) error {
	if err := e.session.halted(ctx); err != nil {
		return err
	}
	anchored := e.anchored
	e.anchored = false
	switch {
	case !e.plan.commits(p.Block):
		return nil
	case anchored:
		return e.replay(ctx, p.Block)
	}
	return e.Engine.Commit(ctx, p)
}

// golden returns the golden's value of a site; ok is false where the bundle does not
// hold it.
func (s *session) golden(site generate.Site) (values []float32, ok bool, err error) {
	if _, held := s.order[site.String()]; !held {
		return nil, false, nil
	}
	v, err := s.bundle.Read(site.String())
	if err != nil {
		return nil, false, err
	}
	shared, err := v.Float32s()
	return append([]float32(nil), shared...), err == nil, err
}

// velocities returns both branches of a step.
func (s *session) velocities(site generate.Site) (cond, uncond []float32, ok bool, err error) {
	site.Branch = generate.Cond
	if cond, ok, err = s.golden(site); !ok {
		return nil, nil, false, err
	}
	site.Branch = generate.Uncond
	uncond, ok, err = s.golden(site)
	return cond, uncond, ok, err
}
