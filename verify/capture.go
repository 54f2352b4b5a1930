package verify

import (
	"context"
	"errors"
	"slices"

	"colakit/formats/tensor"
	"colakit/reference/generate"
	"colakit/verify/catalog"
	"colakit/verify/operation"
)

// capturer is the tap of a run that looks for one value: it feeds the engine as the
// isolated mode does, and ends the run when the engine has shown the value.
type capturer struct {
	observer
	site generate.Site
	seen tensor.View
}

var _ generate.Forcing = (*capturer)(nil)

// errCaptured ends the run.
var errCaptured = errors.New("the value was shown")

// Want asks for all that the golden's value takes the place of, and for the value.
func (c *capturer) Want(site generate.Site) bool {
	op, known := c.catalog.Lookup(site)
	_, held := c.order[site.String()]
	return known && !op.Derived && (site == c.site || held && c.replaces(site, op))
}

// Record keeps the value.
func (c *capturer) Record(site generate.Site, got tensor.View) error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	if site != c.site {
		return nil
	}
	c.seen = got
	c.seen.Data = slices.Clone(got.Data)
	return errCaptured
}

// capture runs the engine again up to the value of a call and returns it; without
// data if the engine does not show it.
func (s *session) capture(ctx context.Context, call *operation.Call) (tensor.View, error) {
	site, kept := call.Site, call.Op().Derived
	if kept {
		site.Path = catalog.Logits
	}
	p := s.plans[Isolated]
	tap := &capturer{observer: observer{session: s, ctx: ctx, mode: Isolated, plan: p}, site: site}
	stopped := s.stopped // that the rest is not compared does not end this run
	s.stopped = ""
	_, err := s.drive(ctx, s.engine, p, s.options.tap(tap), s.againDone)
	s.stopped = stopped
	switch {
	case errors.Is(err, errHalted): // out of time
		return tensor.View{}, ctx.Err()
	case err != nil && !errors.Is(err, errCaptured):
		return tensor.View{}, err
	case tap.seen.Data == nil || !kept:
		return tap.seen, nil
	}
	return operation.Kept(call, tap.seen)
}
