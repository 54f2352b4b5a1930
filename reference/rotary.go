package reference

import "math"

// rotary rotates pairs of channels of every head by position·frequency. The two
// models pair channels differently: see DiTRope and VAERope.
type rotary[T number] struct {
	freqs    []T
	sin, cos []T // [positions, len(freqs)], grown on demand
}

// newRotary takes the frequencies as PyTorch computes them, in float32.
func newRotary[T number](freqs []float32) *rotary[T] {
	r := &rotary[T]{freqs: make([]T, len(freqs))}
	for i, f := range freqs {
		r.freqs[i] = T(f)
	}
	return r
}

// at returns the sines and cosines of one position.
func (r *rotary[T]) at(position int) (sin, cos []T) {
	n := len(r.freqs)
	return r.sin[position*n : (position+1)*n], r.cos[position*n : (position+1)*n]
}

// reach computes the tables for positions below n. The angle is a product in T.
func (r *rotary[T]) reach(n int) {
	for position := len(r.sin) / max(1, len(r.freqs)); position < n; position++ {
		for _, f := range r.freqs {
			angle := float64(T(position) * f)
			r.sin = append(r.sin, T(math.Sin(angle)))
			r.cos = append(r.cos, T(math.Cos(angle)))
		}
	}
}

// apply copies x [R, heads·width] and has turn rotate every head of the copy; row
// i stands at positions[i].
func (r *rotary[T]) apply(p *pass[T], x value[T], width int, positions []int, turn func(head, sin, cos []T)) value[T] {
	out := value[T]{newMatrix[T](x.rows(), x.cols()), x.bf16}
	copy(out.data(), x.data())
	for _, position := range positions {
		r.reach(position + 1)
	}
	spread(p.workers, x.rows(), 4*x.cols(), func(from, to int) {
		for i := from; i < to; i++ {
			sin, cos := r.at(positions[i])
			row := out.row(i)
			for h := 0; h < len(row); h += width {
				turn(row[h:h+width], sin, cos)
			}
		}
	})
	return out
}
