package engine

import (
	"slices"

	"colakit/formats/hf"
	"colakit/kernels/device"
	"colakit/kernels/ops"
	"colakit/reference/generate"
)

// worthwhile reports whether the lines of a schedule take less memory than the weights
// that they are computed with.
func (k *conditioner) worthwhile(e *engine, c hf.DiTConfig, s hf.Schedule) bool {
	return (s.Steps+1)*e.types.wide.Size() < c.EmbDim*e.types.act.Size()
}

// once computes the lines of a schedule, its last timestep 0 included, and keeps no
// weights: each AdaLN layer is on the device for as long as it takes to compute its part
// of all lines.
func (k *conditioner) once(l *loader, c hf.DiTConfig, s hf.Schedule) {
	e := l.engine
	e.schedule, e.scheduled = &s, true
	t := k.unknown(generate.TimestepsUsed(generate.Schedule(float64(s.T), s.Steps), e.options.Contract))
	for i, at := range t {
		k.line[at] = i
	}
	k.lines = ops.MatrixOf(l.room(int64(len(t)*k.width()*e.types.wide.Size())), e.types.wide, len(t), k.width())
	kept := slices.Clone(e.weights)
	p := &pass{engine: e, arena: &arena{device: e.device, least: alignment}}
	k.embed(l, c)
	p.fail(l.err)
	active := ops.Matrix{}
	if p.err == nil {
		active = k.active(p, t)
	}
	l.dropBeyond(p, kept)
	column := 0
	for _, m := range c.Modulations() {
		layer := l.linear(m.Module, m.Width, c.EmbDim, true)
		if p.fail(l.err); p.err != nil {
			break
		}
		layer.forward(p, k.lines.Columns(column, column+m.Width), p.narrow(active, layer), ops.Epilogue{})
		column += m.Width
		l.dropBeyond(p, kept)
	}
	p.fail(p.arena.free())
	k.embedding, k.frequency, l.err = nil, ops.Vector{}, p.err
}

// dropBeyond frees the weights but for those that are kept.
func (l *loader) dropBeyond(p *pass, kept []device.Buffer) {
	for _, b := range slices.Clone(l.engine.weights) {
		if !slices.Contains(kept, b) {
			p.fail(l.engine.drop(b))
		}
	}
}
