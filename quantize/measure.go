package quantize

import "math"

// lanes is the number of partial sums of a block: element i is added to sum
// i mod lanes, and the sums are added in order. Vector code can do the same.
const lanes = 8

// block is what was seen of a few elements; indices count from its first.
type block struct {
	underflow             int64
	squares, errorSquares [lanes]float64
	maxAbs, largest       float64
	maxAbsIndex           int
}

// measure adds a block to the tally: x as in the source, y as stored.
func measure[T float32 | float64](t *Tally, x, y []T, first int64) {
	var b block
	y = y[:len(x)]
	for i, xi := range x {
		source, stored := float64(xi), float64(y[i])
		d := math.Abs(stored - source)
		b.squares[i%lanes] += float64(source * source)
		b.errorSquares[i%lanes] += float64(d * d)
		if d > b.maxAbs {
			b.maxAbs, b.maxAbsIndex = d, i
		}
		if a := math.Abs(source); a > b.largest {
			b.largest = a
		}
		if stored == 0 && source != 0 {
			b.underflow++
		}
	}
	if squares := sum(b.squares); !(squares <= math.MaxFloat64) || b.largest > t.limit { // NaN, too
		locate(t, x, first)
	}
	t.add(b, len(x), first)
}

func sum(parts [lanes]float64) (s float64) {
	for _, p := range parts {
		s += p
	}
	return s
}

// locate counts the elements that can't be stored, and keeps the first of each kind.
func locate[T float32 | float64](t *Tally, x []T, first int64) {
	for i, xi := range x {
		v := float64(xi)
		switch index := first + int64(i); {
		case math.IsNaN(v):
			t.NaN.see(index, v)
		case math.IsInf(v, 0):
			t.Inf.see(index, v)
		case math.Abs(v) > t.limit:
			t.Overflow.see(index, v)
		}
	}
}
