package bisect

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"colakit/formats/tensor"
	"colakit/reference/generate"
	"colakit/verify/catalog"
)

// Hybrid is an engine of two sides that run in lockstep. Its model is A's: the
// arithmetic between the passes follows A's contract.
type Hybrid struct {
	a, b    generate.Engine
	catalog *catalog.Catalog
	// swapped reports whether a value is B's.
	swapped func(generate.Site, *catalog.Op) bool
	seen    func(generate.Site, *catalog.Op) // told of every value that both sides show; nil: nobody is
}

var _ generate.Engine = (*Hybrid)(nil)

// newHybrid joins two engines of one model.
func newHybrid(a, b generate.Engine, c *catalog.Catalog) *Hybrid {
	return &Hybrid{a: a, b: b, catalog: c, swapped: func(generate.Site, *catalog.Op) bool { return false }}
}

// Model is that of A, with the schedule that either side needs.
func (h *Hybrid) Model() generate.Model {
	m := h.a.Model()
	if m.Schedule == nil {
		m.Schedule = h.b.Model().Schedule
	}
	return m
}

// Observe does nothing: both sides are observed by each other.
func (h *Hybrid) Observe(generate.Tap) {}

// Close leaves both sides to those who opened them.
func (h *Hybrid) Close() error { return nil }

// exchanged reports whether both sides show a value, and can go on with the other's.
func (h *Hybrid) exchanged(site generate.Site) (*catalog.Op, bool) {
	op, known := h.catalog.Lookup(site)
	if !known || op.Derived || op.Section == catalog.Loop {
		return nil, false
	}
	for _, e := range []generate.Engine{h.a, h.b} {
		partial, ok := e.(generate.Partial)
		if ok && !partial.Shows(site) && op.Level(site.Stage) != catalog.Always || e.Model().Schedule != nil && catalog.IsEmbedding(site.Path) {
			return nil, false
		}
	}
	return op, true
}

// Encode has both sides encode the prompts.
func (h *Hybrid) Encode(ctx context.Context, ids [][]int32) (latents [][]float32, err error) {
	err = h.together(
		func() (err error) { latents, err = h.a.Encode(ctx, ids); return err },
		func() error { _, err := h.b.Encode(ctx, ids); return err })
	return latents, err
}

// Prefill has both sides begin a batch.
func (h *Hybrid) Prefill(ctx context.Context, prefix [][]float32) error {
	return h.together(
		func() error { return h.a.Prefill(ctx, prefix) },
		func() error { return h.b.Prefill(ctx, prefix) })
}

// Velocity has both sides compute a step.
func (h *Hybrid) Velocity(ctx context.Context, p generate.Pass) (cond, uncond []float32, err error) {
	err = h.together(
		func() (err error) { cond, uncond, err = h.a.Velocity(ctx, p); return err },
		func() error { _, _, err := h.b.Velocity(ctx, own(p)); return err })
	return cond, uncond, err
}

// Decode has both sides decode a block.
func (h *Hybrid) Decode(ctx context.Context, p generate.Pass) (logits []float32, err error) {
	err = h.together(
		func() (err error) { logits, err = h.a.Decode(ctx, p); return err },
		func() error { _, err := h.b.Decode(ctx, own(p)); return err })
	return logits, err
}

// Commit has both sides append a block.
func (h *Hybrid) Commit(ctx context.Context, p generate.Pass) error {
	return h.together(
		func() error { return h.a.Commit(ctx, p) },
		func() error { return h.b.Commit(ctx, own(p)) })
}

// own copies what a side is given.
func own(p generate.Pass) generate.Pass {
	p.Z, p.T = slices.Clone(p.Z), slices.Clone(p.T)
	return p
}

// exchange is one call of both sides. B runs when A waits for one of its values, and
// to its end when A is done.
type exchange struct {
	*Hybrid
	values  map[generate.Site]tensor.View // of one side, until the other takes them
	resume  func() (generate.Site, bool)  // B; it stops at a value of A that is not there yet
	waiting func(generate.Site) bool      // B waits; false: the call is over
	err     error                         // of B, at its end
}

// errOver ends a side whose other side failed.
var errOver = errors.New("the other side ended")

// together runs one call of both sides.
func (h *Hybrid) together(a, b func() error) error {
	x := &exchange{Hybrid: h, values: map[generate.Site]tensor.View{}}
	resume, stop := iter.Pull(func(yield func(generate.Site) bool) {
		x.waiting = yield
		x.err = b()
	})
	defer stop()
	x.resume = resume
	h.a.Observe(&half{x, false})
	h.b.Observe(&half{x, true})
	defer h.a.Observe(nil)
	defer h.b.Observe(nil)
	if err := a(); err != nil {
		return err
	}
	if site, more := resume(); more {
		return fmt.Errorf("side A never showed %s, which B waits for: the sides show other values", site)
	}
	return x.err
}

// half is the tap of one side.
type half struct {
	*exchange
	isB bool
}

var _ generate.Forcing = (*half)(nil)

// Want asks for what both sides show.
func (t *half) Want(site generate.Site) bool {
	op, ok := t.exchanged(site)
	if ok && !t.isB && t.seen != nil {
		t.seen(site, op)
	}
	return ok
}

// Record keeps a value that the other side is to go on with.
func (t *half) Record(site generate.Site, v tensor.View) error {
	op, ok := t.exchanged(site)
	if !ok || t.swapped(site, op) != t.isB {
		return nil
	}
	v.Data = slices.Clone(v.Data)
	t.values[site] = v
	return nil
}

// Replace hands out the other side's value, and waits for it.
func (t *half) Replace(site generate.Site) (v tensor.View, ok bool, err error) {
	op, ok := t.exchanged(site)
	if !ok || t.swapped(site, op) == t.isB {
		return v, false, nil
	}
	for {
		if v, ok = t.values[site]; ok {
			delete(t.values, site)
			return v, true, nil
		}
		if err := t.wait(site); err != nil {
			return v, false, err
		}
	}
}

// wait lets the other side run.
func (t *half) wait(site generate.Site) error {
	if t.isB {
		if !t.waiting(site) {
			return errOver
		}
		return nil
	}
	needed, more := t.resume()
	_, here := t.values[site]
	switch {
	case t.err != nil:
		return t.err
	case !more && !here:
		return fmt.Errorf("side B never showed %s, which A waits for", site)
	case !here:
		return fmt.Errorf("side A waits for %s and B for %s: the sides show their values in other orders", site, needed)
	}
	return nil
}
