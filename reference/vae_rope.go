package reference

// VAERope rotates the pairs (j, j + hd/2) over all channels of every head. Under
// the released contract it widens its input to float32 and rounds the result,
// unless rope_full_precision is false: then sines, cosines, products and sums are
// bfloat16 each.
type VAERope[T number] struct {
	*rotary[T]
	full bool
}

// forward rotates x [n, heads·hd].
func (r *VAERope[T]) forward(p *pass[T], x value[T], headDim int, positions []int) value[T] {
	if r.full || !x.bf16 {
		return p.round(r.apply(p, x, headDim, positions, turnHalves[T]))
	}
	return r.apply(p, x, headDim, positions, turnHalvesBF16[T])
}

func turnHalves[T number](head, sin, cos []T) {
	n := len(sin)
	for j, s := range sin {
		a, b, c := head[j], head[j+n], cos[j]
		head[j] = T(a*c) - T(b*s)
		head[j+n] = T(b*c) + T(a*s)
	}
}

func turnHalvesBF16[T number](head, sin, cos []T) {
	n, round := len(sin), rounding[T](true)
	for j := range sin {
		a, b, s, c := head[j], head[j+n], round(sin[j]), round(cos[j])
		head[j] = round(round(a*c) - round(b*s))
		head[j+n] = round(round(b*c) + round(a*s))
	}
}
