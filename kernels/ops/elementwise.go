package ops

// Activate computes y = f(x), [rows, cols], for every activation but SwiGLU; y may be
// x.
func (o *Ops) Activate(y, x Matrix, f Activation) error {
	c := &checker{op: "activation"}
	c.matrix("y", y, y.Rows, y.Cols)
	c.matrix("x", x, y.Rows, y.Cols)
	c.require(f >= Identity && f < SwiGLU, "activation %d", f)
	return o.elementwise(c, y, func(from, to int) []any {
		src := x.Slice(from, to)
		return []any{src, src.Type, src.Stride, y.Cols, f}
	}, "activation")
}

// SwiGLU computes y = a·SiLU(g), [rows, n], for x = [a | g], [rows, 2n].
func (o *Ops) SwiGLU(y, x Matrix) error {
	c := &checker{op: "swiglu"}
	c.matrix("y", y, y.Rows, y.Cols)
	c.matrix("x", x, y.Rows, 2*y.Cols)
	return o.elementwise(c, y, func(from, to int) []any {
		src := x.Slice(from, to)
		return []any{src, src.Type, src.Stride, y.Cols}
	}, "swiglu")
}

// Convert copies x into another type. With pad, the columns of y from cols to its
// stride become 0.
func (o *Ops) Convert(y, x Matrix, pad bool) error {
	c := &checker{op: "convert"}
	c.matrix("y", y, y.Rows, y.Cols)
	c.matrix("x", x, y.Rows, y.Cols)
	cols := y.Cols
	if pad {
		c.bounds("y", y.Buffer, y.Offset, y.Type, int64(y.Rows)*int64(y.Stride))
		y.Cols = y.Stride
	}
	return o.elementwise(c, y, func(from, to int) []any {
		src := x.Slice(from, to)
		return []any{src, src.Type, src.Stride, cols, flag(pad)}
	}, "convert")
}

// GateResidual computes y = x·gate + residual, [rows, cols]; without a gate x +
// residual. y may be the residual.
func (o *Ops) GateResidual(y, x Matrix, gate Table, residual Matrix) error {
	c := &checker{op: "gate and residual"}
	c.matrix("y", y, y.Rows, y.Cols)
	c.matrix("x", x, y.Rows, y.Cols)
	gate.check(c, "gate", y.Rows, y.Cols)
	c.matrix("residual", residual, y.Rows, y.Cols)
	return o.elementwise(c, y, func(from, to int) []any {
		src, add := x.Slice(from, to), residual.Slice(from, to)
		args := Epilogue{Gate: gate}.args(&Linear{}, y, from, to)
		lines, line := args[4], args[6]
		return []any{src, src.Type, src.Stride, lines, gate.Lines.Type, gate.Lines.Stride, line, add, add.Type, add.Stride, y.Cols}
	}, "gate_residual")
}

// elementwise launches a kernel of one thread for each element of y, whose first
// parameters are y, its type and its stride.
func (o *Ops) elementwise(c *checker, y Matrix, rest func(from, to int) []any, kernel string) error {
	if c.err != nil {
		return c.err
	}
	return bands(y.Rows, func(from, to int) error {
		dst := y.Slice(from, to)
		return o.launch(kernel, elementwise(y.Cols, to-from), append([]any{dst, dst.Type, dst.Stride}, rest(from, to)...)...)
	})
}
