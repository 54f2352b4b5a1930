package engine

import (
	"context"
	"encoding/binary"
	"math"

	"colakit/kernels/ops"
	"colakit/reference/generate"
)

// A pass is one run of rows through a model: what every operation needs and none
// computes. The first error sticks in err, and nothing is launched after it.
type pass struct {
	*engine
	ctx   context.Context
	arena *arena // that values are given room in
	spans []ops.Span
	rows  int
	block int // rows of a block of the mask; 0: no mask
	cache *cache
	keep  bool // the pass fills the caches, and nothing else comes of it

	tap  generate.Tap  // nil: nobody looks
	site generate.Site // of this pass; Path is filled in by see

	tables

	err error
}

// fail keeps the first error.
func (p *pass) fail(err error) {
	if p.err == nil && err != nil {
		p.err = err
	}
}

// do runs an operation unless one failed before.
func (p *pass) do(operation func() error) {
	if p.err == nil {
		p.fail(operation())
	}
}

// alive reports whether the next layer is to be computed.
func (p *pass) alive() bool {
	if p.ctx.Err() != nil {
		p.fail(context.Cause(p.ctx))
	}
	return p.err == nil
}

// begin starts a pass over the spans, with the cache that they read and write.
func (e *engine) begin(ctx context.Context, site generate.Site, c *cache, block int, spans []ops.Span) *pass {
	e.scratch.whole.reset()
	p := &pass{engine: e, arena: e.scratch.whole, ctx: ctx, spans: spans, block: block, cache: c, tap: e.tap, site: site}
	for _, s := range spans {
		p.rows += s.Queries
		p.fail(c.reserve(s.Sequence, s.Keys()))
	}
	if p.err != nil {
		return p
	}
	var m image
	m.tables(&p.tables, c, spans, block)
	p.fail(m.upload(e.device, p.arena))
	return p
}

// over starts a pass whose tables lie on the device, and which nobody looks at.
func (e *engine) over(ctx context.Context, c *cache, block int, l plan) *pass {
	e.scratch.whole.reset()
	return &pass{
		engine: e, arena: e.scratch.whole, ctx: ctx, spans: l.spans, rows: rowsOf(l.spans), block: block, cache: c, tables: l.tables,
	}
}

// spansOf lays out a pass of queries rows of every sample after its cached ones.
func spansOf(cached, queries []int) []ops.Span {
	spans, row := make([]ops.Span, len(queries)), 0
	for i, n := range queries {
		spans[i] = ops.Span{Row: row, Queries: n, Cached: cached[i], Sequence: i}
		row += n
	}
	return spans
}

// ints uploads integers.
func (p *pass) ints(values []int32) ops.Vector {
	v := p.vector(ops.I32, len(values))
	p.do(func() error { return p.device.Upload(v.Buffer, v.Offset, intBytes(values)) })
	return v
}

func intBytes(values []int32) []byte {
	out := make([]byte, 0, 4*len(values))
	for _, v := range values {
		out = binary.LittleEndian.AppendUint32(out, uint32(v))
	}
	return out
}

func floatBytes(values []float32) []byte {
	out := make([]byte, 0, 4*len(values))
	for _, v := range values {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(v))
	}
	return out
}

// floats uploads rows of float32 numbers.
func (p *pass) floats(values []float32, rows, cols int) ops.Matrix {
	m := p.matrix(ops.F32, rows, cols)
	p.do(func() error { return p.store(m, values) })
	return m
}

// narrow returns m as an operand of products of the layer.
func (p *pass) narrow(m ops.Matrix, l *linear) ops.Matrix {
	t := p.operand(l)
	if m.Type == t {
		return m
	}
	out := p.matrix(t, m.Rows, m.Cols)
	p.do(func() error { return p.ops.Convert(out, m, false) })
	return out
}
