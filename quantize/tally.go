package quantize

import "math"

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
// The zero Tally is that of no elements.
type Tally struct {
	NaN, Inf Occurrence
	Overflow Occurrence // finite, beyond Cast.Largest

	elements, underflow     int64
	maxAbs, largest         float64
	maxAbsIndex             int64
	squares, errorSquares   float64 // of the tiles that were added
	laneSquares, laneErrors [lanes]float64
}

// Add adds the tally of the tile that follows.
func (t *Tally) Add(next Tally) {
	t.NaN.add(next.NaN)
	t.Inf.add(next.Inf)
	t.Overflow.add(next.Overflow)
	t.elements += next.elements
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

// Figures say what storing a tensor by its scheme cost.
type Figures struct {
	// RelL2 is √(Σ(yᵢ−xᵢ)² / Σxᵢ²) over the elements x of the source and y as
	// stored; 0 where all of x are 0.
	RelL2 float64 `json:"rel_l2"`
	// MaxAbs is the largest |yᵢ−xᵢ|, and MaxAbsIndex the first i that has it,
	// row-major.
	MaxAbs      float64 `json:"max_abs"`
	MaxAbsIndex int64   `json:"max_abs_index"`
	// Underflow counts the i with xᵢ ≠ 0 and yᵢ = 0.
	Underflow int64 `json:"underflow"`
	// Largest is the largest |xᵢ|.
	Largest float64 `json:"largest"`
}

// Figures returns the figures of all elements that were seen.
func (t *Tally) Figures() Figures {
	f := Figures{MaxAbs: t.maxAbs, MaxAbsIndex: t.maxAbsIndex, Underflow: t.underflow, Largest: t.largest}
	if squares := t.allSquares(); squares > 0 {
		f.RelL2 = math.Sqrt(t.allErrors() / squares)
	}
	return f
}
