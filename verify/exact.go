package verify

import (
	"context"
	"fmt"
	"iter"

	"colakit/formats/tensor"
	"colakit/golden"
	"colakit/reference/generate"
)

// The exact value x of an operation is what a float64 engine makes of the very
// inputs that the candidate was given. The exact engine repeats the run beside the
// candidate, in the same mode, and stands still at each value until the candidate
// has got there: nothing is stored but what the candidate asks for in another
// order, and of that no more than a pass.

// exactRun is a run of the exact engine that goes on when it is asked for a value.
type exactRun struct {
	next    func() (shown, bool)
	stop    func()
	last    *shown                 // shown, and its memory still valid
	ahead   map[string]tensor.View // copies of what was passed over in this pass
	current pass
	err     error
}

// shown is a value that the exact engine has computed; the view is valid until the
// next one is asked for.
type shown struct {
	site generate.Site
	view tensor.View
}

// checkExact returns an error unless the exact engine computes the bundle's model
// and schedule without roundings.
func (s *session) checkExact() error {
	e := s.options.Exact
	if e == nil {
		return nil
	}
	m, own := e.Model(), s.engine.Model()
	switch {
	case m.Contract != generate.Exact:
		return fmt.Errorf("the exact reference runs the %s contract; it has to run the exact one", m.Contract)
	case m.BlockSize != own.BlockSize || m.PatchSize != own.PatchSize || m.LatentDim != own.LatentDim || m.VocabSize != own.VocabSize:
		return fmt.Errorf("the exact reference computes another model: block_size %d, patch_size %d, latent_dim %d, vocab_size %d, not %d, %d, %d, %d",
			m.BlockSize, m.PatchSize, m.LatentDim, m.VocabSize, own.BlockSize, own.PatchSize, own.LatentDim, own.VocabSize)
	}
	if err := m.CheckSchedule(s.info.Run.T, s.info.Run.Steps); err != nil {
		return fmt.Errorf("the exact reference can't run beside: %w", err)
	}
	return nil
}

// startExact begins a run of the exact engine for a plan; nil where there is none,
// or where the two would not have the same inputs.
func (s *session) startExact(ctx context.Context, p *plan) *exactRun {
	if s.options.Exact == nil || p.mode == Generation {
		return nil
	}
	r := &exactRun{ahead: map[string]tensor.View{}}
	r.next, r.stop = iter.Pull(func(yield func(shown) bool) {
		tap := &exactTap{observer{session: s, ctx: ctx, mode: p.mode, plan: p}, yield}
		_, r.err = s.drive(ctx, s.options.Exact, p, tap, s.againDone)
	})
	return r
}

// close ends the run where it stands.
func (r *exactRun) close() error {
	if r == nil {
		return nil
	}
	r.stop()
	if r.err != nil {
		return fmt.Errorf("the exact reference: %w", r.err)
	}
	return nil
}

// at returns the exact value of a site; ok is false where the exact engine does
// not show it. The view is valid until the next call.
func (r *exactRun) at(site generate.Site) (v tensor.View, ok bool) {
	name, pass := site.String(), passOf(site)
	if pass != r.current {
		clear(r.ahead)
		r.current = pass
	}
	if v, ok = r.ahead[name]; ok {
		delete(r.ahead, name)
		return v, true
	}
	for {
		if r.last == nil {
			s, more := r.next()
			if !more {
				return v, false
			}
			r.last = &s
		}
		switch order := passOf(r.last.site).compare(pass); {
		case order > 0:
			return v, false
		case r.last.view.Name == name:
			v, r.last = r.last.view, nil
			return v, true
		case order == 0:
			v = r.last.view
			v.Data = append([]byte(nil), v.Data...)
			r.ahead[v.Name] = v
		}
		r.last = nil
	}
}

// pass is a call of an engine; both branches of a step are one.
type pass struct {
	stage       generate.Stage
	block, step int
}

func passOf(s generate.Site) pass { return pass{s.Stage, s.Block, s.Step} }

// compare orders passes as a run does: negative where p comes before q.
func (p pass) compare(q pass) int {
	before := func(s generate.Stage) int { return min(int(s), int(generate.Denoise)) } // encode, prefill, the blocks
	for _, d := range []int{before(p.stage) - before(q.stage), p.block - q.block, int(p.stage) - int(q.stage), p.step - q.step} {
		if d != 0 {
			return d
		}
	}
	return 0
}

// exactTap hands out the values of the exact engine. It feeds it what the observer
// of the mode feeds the candidate.
type exactTap struct {
	observer
	yield func(shown) bool
}

var _ generate.Forcing = (*exactTap)(nil)

// Want asks for what the candidate is compared in, and for what it is fed.
func (t *exactTap) Want(site generate.Site) bool {
	op, known := t.catalog.Lookup(site)
	_, held := t.order[site.String()]
	return known && held && !op.Derived && (t.plan.compare[site.String()] || t.replaces(site, op))
}

// Record hands out one value and waits until it was used.
func (t *exactTap) Record(site generate.Site, v tensor.View) error {
	if v.Name = site.String(); t.plan.compare[v.Name] && !t.yield(shown{site, v}) {
		return errEnough
	}
	return nil
}

// Replace is the observer's where the candidate's value can be replaced, whatever
// its shapes are.
func (t *exactTap) Replace(site generate.Site) (v tensor.View, ok bool, err error) {
	op, known := t.catalog.Lookup(site)
	var tap golden.Tap
	if tap, ok = t.bundle.Lookup(site.String()); !ok || !known || !t.replaces(site, op) || !t.given(site) {
		return v, false, nil
	}
	v, err = t.bundle.Read(tap.Name)
	return v, err == nil, err
}
