package engine

import (
	"colakit/kernels/ops"
)

// linear is y = x·Wᵀ + b.
type linear struct {
	*ops.Linear
	codes bool // inputs are quantised, and products taken of integers
}

// operand returns the type that a layer's inputs are handed over in: where they are
// quantised, that of the values themselves.
func (p *pass) operand(l *linear) ops.Type {
	if l.codes {
		return p.types.wide
	}
	return p.types.act
}

// forward computes y = epilogue(x·Wᵀ + b). Results are rounded as the contract does.
func (l *linear) forward(p *pass, y, x ops.Matrix, e ops.Epilogue) {
	e.Round = p.types.wide
	scale := ops.Vector{}
	if l.codes {
		x, scale = p.quantised(x)
	}
	p.do(func() error { return p.ops.Linear(y, x, scale, l.Linear, e) })
}

// codeStride is the multiple that rows of codes are padded to.
const codeStride = 64

// quantised returns the rows of x as codes and one scale each.
func (p *pass) quantised(x ops.Matrix) (codes ops.Matrix, scale ops.Vector) {
	stride := (x.Cols + codeStride - 1) / codeStride * codeStride
	codes = p.matrix(ops.I8, x.Rows, stride)
	codes.Cols = x.Cols
	scale = p.vector(ops.F32, x.Rows)
	p.do(func() error { return p.ops.Quantise(codes, scale, x, p.types.wide) })
	return codes, scale
}

// apply is forward with an output of the given type and nothing after the bias.
func (l *linear) apply(p *pass, x ops.Matrix, t ops.Type) ops.Matrix {
	y := p.matrix(t, x.Rows, l.Out)
	l.forward(p, y, p.narrow(x, l), ops.Epilogue{})
	return y
}

// activated computes the layer and its activation, as an input of next. The value
// in between is shown as module+op where it exists.
func (l *linear) activated(p *pass, x ops.Matrix, a ops.Activation, next *linear, module, op string) ops.Matrix {
	y := p.matrix(p.operand(next), x.Rows, l.Out)
	if !p.wants(module, op) {
		l.forward(p, y, x, ops.Epilogue{Activation: a})
		return y
	}
	plain := p.matrix(p.types.wide, x.Rows, l.Out)
	l.forward(p, plain, x, ops.Epilogue{})
	p.see(module, op, plain)
	p.do(func() error { return p.ops.Activate(y, plain, a) })
	return y
}

// norm is LayerNorm over rows of width elements.
type norm struct {
	gamma, beta ops.Vector // none: 1 and 0
	width       int
	eps         float32
}

// forward normalises x into y; the rest of n follows.
func (l *norm) forward(p *pass, y, x ops.Matrix, n ops.Norm) {
	n.Eps, n.Gamma, n.Beta = l.eps, l.gamma, l.beta
	p.do(func() error { return p.ops.LayerNorm(y, ops.Vector{}, x, l.width, n) })
}
