package ops

import "colakit/kernels/device"

// EmbedPatches gathers what the patch convolution reads: y [rows, d·patch] with
// column i·patch + s of row r from channel i of the embedding of token r·patch + s.
// ids [rows·patch] are lines of the table [tokens, d]; others are not noticed.
func (o *Ops) EmbedPatches(y Matrix, ids Vector, table Matrix, patch int) error {
	c := &checker{op: "embedding"}
	c.require(patch > 0, "patches of %d tokens", patch)
	c.matrix("table", table, table.Rows, table.Cols)
	c.require(table.Stride == table.Cols, "the table has gaps")
	c.matrix("y", y, y.Rows, table.Cols*patch)
	c.vector("ids", ids, I32, y.Rows*patch)
	return o.elementwise(c, y, func(from, to int) []any {
		some := ids
		some.Offset += int64(4 * from * patch)
		return []any{some, table, table.Type, table.Cols, patch}
	}, "embed_patches")
}

// Unpatch arranges latents as tokens: y [rows·patch, d], row r·patch + s, channel c,
// from column c·patch + s of row r of x [rows, d·patch].
func (o *Ops) Unpatch(y, x Matrix, patch int) error {
	c := &checker{op: "unpatch"}
	c.require(patch > 0 && y.Rows == x.Rows*max(patch, 1), "%d tokens of %d latents of %d", y.Rows, x.Rows, patch)
	c.matrix("y", y, y.Rows, y.Cols)
	c.matrix("x", x, x.Rows, y.Cols*patch)
	if c.err != nil {
		return c.err
	}
	most := maxGridY / patch
	for from := 0; from < x.Rows; from += most {
		to := min(from+most, x.Rows)
		dst, src := y.Slice(from*patch, to*patch), x.Slice(from, to)
		if err := o.launch("unpatch", elementwise(y.Cols, dst.Rows), dst, dst.Type, dst.Stride, src, src.Type, src.Stride, y.Cols, patch); err != nil {
			return err
		}
	}
	return nil
}

// Sinusoid computes [sin(t·f), cos(t·f)], y [rows, 2·frequencies], for timesteps t
// (F32), which are rounded to the type `round` before.
func (o *Ops) Sinusoid(y Matrix, t, frequency Vector, round Type) error {
	c := &checker{op: "sinusoid"}
	c.matrix("y", y, y.Rows, 2*frequency.N)
	c.vector("timesteps", t, F32, y.Rows)
	c.vector("frequencies", frequency, F32, frequency.N)
	c.require(round.float(), "rounding to %v", round)
	if c.err != nil || y.Rows == 0 {
		return c.err
	}
	return o.launch("sinusoid", device.Launch{Grid: device.D(y.Rows), Block: device.D(128)},
		y, y.Type, y.Stride, t, round, frequency, frequency.N)
}

// Latents computes y = (x − shift)·scale, [rows, cols] without gaps, in F32; both
// results are rounded to x's type.
func (o *Ops) Latents(y, x Matrix, shift, scale float32) error {
	c := &checker{op: "latents"}
	c.matrix("y", y, y.Rows, y.Cols)
	c.matrix("x", x, y.Rows, y.Cols)
	c.require(y.Type == F32 && y.Stride == y.Cols, "latents are f32 without gaps")
	if c.err != nil || y.Rows == 0 {
		return c.err
	}
	return o.launch("latents", flat(y.Rows*y.Cols), y, x, x.Type, x.Stride, y.Rows, y.Cols, shift, scale)
}
