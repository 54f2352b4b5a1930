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

// Want asks for all that has to be replaced, and for the value.
func (c *capturer) Want(site generate.Site) bool {
	op, known := c.catalog.Lookup(site)
	_, held := c.order[site.String()]
	return known && !op.Derived && (held || site == c.site)
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
	o := s.settings(Isolated)
	tap := &capturer{observer: observer{session: s, ctx: ctx, mode: Isolated}, site: site}
	o.Tap = s.options.tap(tap)
	_, err := generate.Run(ctx, s.engine, s.prompts(), o, generate.NoiseFunc(s.noise))
	switch {
	case err != nil && !errors.Is(err, errCaptured):
		return tensor.View{}, err
	case tap.seen.Data == nil || !kept:
		return tap.seen, nil
	}
	return operation.Kept(call, tap.seen)
}
