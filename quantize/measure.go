package quantize

import "math"

// lanes is the number of partial sums of a tile: element i of the tensor is added
// to sum i mod lanes, in order, and the sums are added at the end. So sums do not
// depend on how a tile is cut into calls, and vector code can do the same.
const lanes = 8

// measure adds elements to a tile's tally: x as in the source, y as stored.
func measure[T float32 | float64](t *Tally, x, y []T, first int64, limit float64) {
	squares, errors := t.laneSquares, t.laneErrors
	maxAbs, largest, underflow := t.maxAbs, 0.0, int64(0)
	lane := int(first % lanes)
	y = y[:len(x)]
	for i, xi := range x {
		source, stored := float64(xi), float64(y[i])
		d := math.Abs(stored - source)
		k := (lane + i) % lanes
		squares[k] += float64(source * source)
		errors[k] += float64(d * d)
		if d > maxAbs {
			maxAbs, t.maxAbsIndex = d, first+int64(i)
		}
		if a := math.Abs(source); a > largest {
			largest = a
		}
		if stored == 0 && source != 0 {
			underflow++
		}
	}
	t.laneSquares, t.laneErrors = squares, errors
	t.elements += int64(len(x))
	t.underflow += underflow
	t.maxAbs, t.largest = maxAbs, max(t.largest, largest)
	if !(sum(squares) <= math.MaxFloat64) || largest > limit { // NaN, too
		locate(t, x, first, limit)
	}
}

func sum(parts [lanes]float64) (s float64) {
	for _, p := range parts {
		s += p
	}
	return s
}

// locate counts the elements that can't be stored, and keeps the first of each kind.
func locate[T float32 | float64](t *Tally, x []T, first int64, limit float64) {
	for i, xi := range x {
		v := float64(xi)
		switch index := first + int64(i); {
		case math.IsNaN(v):
			t.NaN.see(index, v)
		case math.IsInf(v, 0):
			t.Inf.see(index, v)
		case math.Abs(v) > limit:
			t.Overflow.see(index, v)
		}
	}
}
