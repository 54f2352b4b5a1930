package int8

import (
	"math"

	"colakit/internal/exact"
)

// Occurrence counts elements of one kind and keeps the first.
type Occurrence struct {
	Count int64
	Index int64   // of the first, row-major
	Value float64 // of the first; 0 for a NaN, so that Tallies can be compared
}

func (o *Occurrence) see(index int64, value float32) {
	if o.Count == 0 {
		o.Index, o.Value = index, float64(value)
	}
	o.Count++
}

func (o *Occurrence) add(next Occurrence, offset int64) {
	if o.Count == 0 && next.Count > 0 {
		o.Index, o.Value = next.Index+offset, next.Value
	}
	o.Count += next.Count
}

// Tally is what was seen while rows were encoded; the zero Tally is that of none.
// Tallies of the same rows are equal as Go values, however these were cut.
type Tally struct {
	NaN, Inf Occurrence
	Overflow Occurrence // finite, but beyond the largest f16 scale

	rows, elements, stored        int64 // stored: those of rows with codes
	clipped, zeros                int64
	squares, errors, absMaxErrors exact.Sum
	low, high                     float32
	maxAbs                        float32
	maxAbsIndex                   int64
	worst                         float64 // the largest Σd²/Σx² of a row
	worstRow                      int64
}

// addRow adds the row that was encoded last, but for the column of maxAbsIndex.
func (t *Tally) addRow(e *encoder, cols int) {
	s, squares := &e.sums, fold(e.sums.squares)
	t.squares.Add(squares)
	t.errors.Add(e.errorSquares)
	t.absMaxErrors.Add(e.absMaxErrorSquares)
	if ratio := e.errorSquares / squares; ratio > t.worst {
		t.worst, t.worstRow = ratio, t.rows
	}
	low, high, worst := s.low[0], s.high[0], s.worst[0]
	for l := 1; l < lanes; l++ {
		low, high, worst = min(low, s.low[l]), max(high, s.high[l]), max(worst, s.worst[l])
	}
	if worst > t.maxAbs {
		t.maxAbs, t.maxAbsIndex = worst, t.elements
	}
	t.addRange(low+0, high+0) // a zero becomes a positive one
	t.clipped += s.clipped
	t.zeros += s.zeros
	t.stored += int64(cols)
	t.elements += int64(cols)
	t.rows++
}

func (t *Tally) addRange(low, high float32) {
	if t.stored == 0 {
		t.low, t.high = low, high
	}
	t.low, t.high = min(t.low, low), max(t.high, high)
}

// addBadRow adds a row that can't be stored by scheme s.
func (t *Tally) addBadRow(x []float32, s Scheme) {
	for i, v := range x {
		switch index := t.elements + int64(i); {
		case v != v:
			t.NaN.see(index, 0)
		case math.IsInf(float64(v), 0):
			t.Inf.see(index, v)
		case abs(v)/s.largest() >= beyond:
			t.Overflow.see(index, v)
		}
	}
	t.elements += int64(len(x))
	t.rows++
}

// locate finds the column of the largest error in the row where it is.
func (t *Tally) locate(x []float32, codes, scales []byte, cols int, s Scheme) {
	if t.maxAbs == 0 {
		return
	}
	first := int(t.maxAbsIndex)
	group := first / cols * s.ScalesPerRow(cols)
	for i := range cols {
		scale := s.At(scales, group+i/s.Width(cols))
		if d := x[first+i] - float32(float32(int8(codes[first+i]))*scale); abs(d) == t.maxAbs {
			t.maxAbsIndex += int64(i)
			return
		}
	}
}

// Add adds the tally of the rows that follow.
func (t *Tally) Add(next Tally) {
	t.NaN.add(next.NaN, t.elements)
	t.Inf.add(next.Inf, t.elements)
	t.Overflow.add(next.Overflow, t.elements)
	t.squares.Merge(&next.squares)
	t.errors.Merge(&next.errors)
	t.absMaxErrors.Merge(&next.absMaxErrors)
	if next.worst > t.worst {
		t.worst, t.worstRow = next.worst, t.rows+next.worstRow
	}
	if next.maxAbs > t.maxAbs {
		t.maxAbs, t.maxAbsIndex = next.maxAbs, t.elements+next.maxAbsIndex
	}
	if next.stored > 0 {
		t.addRange(next.low, next.high)
	}
	t.clipped += next.clipped
	t.zeros += next.zeros
	t.stored += next.stored
	t.elements += next.elements
	t.rows += next.rows
}

// Rows returns the number of rows that were added.
func (t Tally) Rows() int64 { return t.rows }

// Elements returns the number of elements that were added.
func (t Tally) Elements() int64 { return t.elements }
