package ops

import (
	"colakit/kernels/device"
)

// Norm is a LayerNorm and what follows it, in the order of its fields.
type Norm struct {
	Eps         float32
	Gamma, Beta Vector // F32, as long as a run; none: 1 and 0
	Modulation  Table  // [lines, 2·cols]: shift, then scale; norm·(1 + scale) + shift
	Add         Matrix // [rows, cols]: norm + Add, e.g. the branch of a VAE block
	Round       Type   // of what is quantised, where the destination is I8
}

// LayerNorm normalises every row of x [rows, cols] into y, or each of its runs of
// `width` elements. Into codes, y of type I8 and the scales of its rows in yScale, it
// normalises whole rows; columns of y from cols to its stride become 0.
func (o *Ops) LayerNorm(y Matrix, yScale Vector, x Matrix, width int, n Norm) error {
	c := &checker{op: "layernorm"}
	c.matrix("x", x, y.Rows, y.Cols)
	c.shape("y", y, y.Rows, y.Cols)
	c.require(width > 0 && y.Cols%max(width, 1) == 0, "rows of %d elements in runs of %d", y.Cols, width)
	c.require(y.Type.float() || y.Type == I8, "y of type %v", y.Type)
	c.require(n.Gamma.none() == n.Beta.none(), "gamma and beta come together")
	c.optionalVector("gamma", n.Gamma, F32, width)
	c.optionalVector("beta", n.Beta, F32, width)
	n.Modulation.check(c, "modulation", y.Rows, 2*y.Cols)
	c.require(n.Modulation.none() || width == y.Cols, "a modulation is for whole rows")
	c.optional("addend", n.Add, y.Rows, y.Cols)
	if y.Type == I8 {
		c.codes(y, yScale, n.Round)
		c.require(width == y.Cols, "codes are of whole rows")
	}
	if c.err != nil || y.Rows == 0 {
		return c.err
	}
	m := n.Modulation
	return o.launch("layernorm",
		device.Launch{Grid: device.D(y.Rows, y.Cols/width), Block: device.D(threads), Shared: 4 * width},
		y, y.Type, y.Stride, yScale, x, x.Type, x.Stride, width, n.Eps, n.Gamma, n.Beta,
		m.Lines, m.Lines.Type, m.Lines.Stride, m.Line, n.Add, n.Add.Type, n.Add.Stride, n.Round)
}

// codes checks a destination of codes: whole rows up to the stride are written.
func (c *checker) codes(q Matrix, scale Vector, round Type) {
	c.vector("scales", scale, F32, q.Rows)
	c.require(round.float(), "rounding to %v", round)
	c.bounds("codes", q.Buffer, q.Offset, I8, int64(q.Rows)*int64(q.Stride))
}

// Quantise rounds x [rows, cols] to the type `round` and encodes each row: codes and
// one scale, as package quantize/int8 defines them. Columns of q from cols to its
// stride become 0. A row with NaN or infinity gets the scale NaN.
func (o *Ops) Quantise(q Matrix, scale Vector, x Matrix, round Type) error {
	c := &checker{op: "quantise"}
	c.matrix("x", x, q.Rows, q.Cols)
	c.shape("codes", q, q.Rows, q.Cols)
	c.require(q.Type == I8, "codes of type %v", q.Type)
	c.codes(q, scale, round)
	if c.err != nil || q.Rows == 0 {
		return c.err
	}
	return o.launch("quantise_rows", device.Launch{Grid: device.D(q.Rows), Block: device.D(threads), Shared: 4 * q.Cols},
		q, q.Stride, scale, x, x.Type, x.Stride, q.Cols, round)
}
