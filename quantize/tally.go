package quantize

import "colakit/quantize/int8"

// Occurrence counts elements of one kind and keeps the first.
type Occurrence struct {
	Count int64
	Index int64   // of the first in its tensor, row-major
	Value float64 // of the first
}

func (o *Occurrence) see(index int64, value float64) {
	if o.Count == 0 {
		o.Index, o.Value = index, value
	}
	o.Count++
}

func (o *Occurrence) add(later Occurrence) {
	if o.Count == 0 {
		o.Index, o.Value = later.Index, later.Value
	}
	o.Count += later.Count
}

// Tally is what was seen while a tile was converted, or several, added in order.
// The zero Tally is that of no elements. Those of the tiles of a quantised tensor
// are the same, added up, however the tensor was cut into tiles.
type Tally struct {
	NaN, Inf Occurrence
	Overflow Occurrence // finite, beyond Cast.Largest

	elements, underflow     int64
	maxAbs, largest         float64
	maxAbsIndex             int64
	squares, errorSquares   float64 // of the tiles that were added
	laneSquares, laneErrors [lanes]float64
	rows                    int8.Tally // of elements that became codes
}

// addRows adds the tally of rows that became codes, the first element being number
// first of its tensor. Own says that NaN and Inf among them are those of the source.
func (t *Tally) addRows(seen int8.Tally, first int64, own bool) {
	if own {
		t.NaN.add(located(seen.NaN, first))
		t.Inf.add(located(seen.Inf, first))
	}
	t.Overflow.add(located(seen.Overflow, first))
	t.elements += seen.Elements()
	t.rows.Add(seen)
}

// located returns an occurrence of a tile in its tensor.
func located(o int8.Occurrence, first int64) Occurrence {
	return Occurrence{o.Count, o.Index + first, o.Value}
}

// Add adds the tally of the tile that follows.
func (t *Tally) Add(next Tally) {
	t.NaN.add(next.NaN)
	t.Inf.add(next.Inf)
	t.Overflow.add(next.Overflow)
	t.elements += next.elements
	t.rows.Add(next.rows)
	t.underflow += next.underflow
	t.squares += next.allSquares()
	t.errorSquares += next.allErrors()
	t.largest = max(t.largest, next.largest)
	if next.maxAbs > t.maxAbs {
		t.maxAbs, t.maxAbsIndex = next.maxAbs, next.maxAbsIndex
	}
}

func (t *Tally) allSquares() float64 { return t.squares + sum(t.laneSquares) }
func (t *Tally) allErrors() float64  { return t.errorSquares + sum(t.laneErrors) }

// Elements returns the number of elements that were seen.
func (t *Tally) Elements() int64 { return t.elements }
