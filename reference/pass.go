package reference

import (
	"context"

	"colakit/reference/generate"
)

// A pass is one run of rows through a model. It carries what every operation
// needs and none computes. The first error sticks in err: the operations go on
// with well-formed values of no meaning, and the loop over the layers stops.
type pass[T number] struct {
	ctx      context.Context
	workers  int
	released bool
	layout   *layout
	keep     bool // append the rows' keys and values to the caches

	tap  generate.Tap  // nil: nobody looks
	site generate.Site // of this pass; Path is filled in by see

	err error
}

// fail keeps the first error.
func (p *pass[T]) fail(err error) {
	if p.err == nil && err != nil {
		p.err = err
	}
}

// alive reports whether the next layer is to be computed.
func (p *pass[T]) alive() bool {
	if p.ctx.Err() != nil {
		p.fail(context.Cause(p.ctx))
	}
	return p.err == nil
}
