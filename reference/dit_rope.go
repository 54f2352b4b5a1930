package reference

// DiTRope rotates interleaved pairs, (0, 1), (2, 3), …, of the first rope_dim
// channels of every head; the others pass through. It is computed in float32
// under both contracts.
type DiTRope[T number] struct {
	*rotary[T]
}

// forward rotates x [R, h·hd].
func (r *DiTRope[T]) forward(p *pass[T], x value[T], headDim int, positions []int) value[T] {
	return r.apply(p, x, headDim, positions, turnInterleaved[T])
}

func turnInterleaved[T number](head, sin, cos []T) {
	for j, s := range sin {
		a, b, c := head[2*j], head[2*j+1], cos[j]
		head[2*j] = T(a*c) - T(b*s)
		head[2*j+1] = T(b*c) + T(a*s)
	}
}
