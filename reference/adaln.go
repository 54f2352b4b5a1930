package reference

import "github.com/nlpodyssey/spago/nn"

// AdaLN holds the Linears that turn SiLU(timestep embedding) into the shift, scale
// and gate of one block: [2d, d] where shift and scale come out, [d, d] for a gate.
type AdaLN[T number] struct {
	nn.Module
	MSAIn, MSAOut, MLPIn, MLPOut *Linear[T]
}

// A table holds one line for each distinct timestep of a pass; the rows of the
// pass point into it.
type table[T number] struct {
	lines    value[T]
	of       []int // row r of the pass reads line of[r]
	from, to int   // the columns that belong to the table
}

func (t table[T]) row(r int) []T { return t.lines.row(t.of[r])[t.from:t.to] }

// see shows the table as [R, d], a row for each row of the pass.
func (t table[T]) see(p *pass[T], module, op string) table[T] {
	if !p.wants(module, op) {
		return t
	}
	full := value[T]{newMatrix[T](len(t.of), t.to-t.from), t.lines.bf16}
	for r := range t.of {
		copy(full.row(r), t.row(r))
	}
	full, forced := p.exchange(module, op, full)
	if !forced {
		return t
	}
	return table[T]{lines: full, of: identity(len(t.of)), to: t.to - t.from}
}

func identity(n int) []int {
	of := make([]int, n)
	for i := range of {
		of[i] = i
	}
	return of
}

// shiftScale is what an AdaLN "in" Linear gives: a table of [shift | scale].
type shiftScale[T number] struct {
	shift, scale table[T]
}

func chunked[T number](lines value[T], of []int) shiftScale[T] {
	d := lines.cols() / 2
	return shiftScale[T]{table[T]{lines, of, 0, d}, table[T]{lines, of, d, 2 * d}}
}

// see shows both under their operations' names.
func (m shiftScale[T]) see(p *pass[T], module, shift, scale string) shiftScale[T] {
	return shiftScale[T]{m.shift.see(p, module, shift), m.scale.see(p, module, scale)}
}

// modulate returns norm·(1 + scale) + shift, [R, d]. 1 + scale is rounded to the
// type of the scale, the rest to that of the norm.
func modulate[T number](p *pass[T], norm value[T], m shiftScale[T]) value[T] {
	out := value[T]{newMatrix[T](norm.rows(), norm.cols()), norm.bf16 && m.shift.lines.bf16}
	narrow := rounding[T](m.scale.lines.bf16)
	spread(p.workers, norm.rows(), 4*norm.cols(), func(from, to int) {
		for r := from; r < to; r++ {
			dst, shift, scale := out.row(r), m.shift.row(r), m.scale.row(r)
			for j, x := range norm.row(r) {
				dst[j] = T(x*narrow(1+scale[j])) + shift[j]
			}
		}
	})
	return p.round(out)
}

// gated returns hid·gate + residual, [R, d]; product and sum are rounded.
func gated[T number](p *pass[T], hid value[T], gate table[T], residual value[T]) value[T] {
	product := value[T]{newMatrix[T](hid.rows(), hid.cols()), hid.bf16 && gate.lines.bf16}
	spread(p.workers, hid.rows(), hid.cols(), func(from, to int) {
		for r := from; r < to; r++ {
			dst, g := product.row(r), gate.row(r)
			for j, x := range hid.row(r) {
				dst[j] = x * g[j]
			}
		}
	})
	return add(p, p.round(product), residual)
}
