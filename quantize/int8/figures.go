package int8

import "math"

// Figures say what storing a matrix as codes cost. They are of the elements x of
// rows that could be stored and of the errors d = x − value, and 0 without any.
type Figures struct {
	Elements int64 `json:"elements"`
	// RelL2 is √(Σd² / Σx²), and 0 where all of x are 0.
	RelL2 float64 `json:"rel_l2"`
	// AbsMaxRelL2 is RelL2 as it would be without clipping. It is never smaller.
	AbsMaxRelL2 float64 `json:"abs_max_rel_l2"`
	// MaxAbs is the largest |d|, and MaxAbsIndex the first that has it, row-major.
	MaxAbs      float64 `json:"max_abs"`
	MaxAbsIndex int64   `json:"max_abs_index"`
	// WorstRow is the first row with the largest √(Σd² / Σx²), WorstRowRelL2.
	WorstRow      int64   `json:"worst_row"`
	WorstRowRelL2 float64 `json:"worst_row_rel_l2"`
	// Clipped counts the elements with |x/s| ≥ 127.5, which err by more than s/2.
	Clipped int64 `json:"clipped"`
	// Zeros counts the elements whose code is 0.
	Zeros int64 `json:"zeros"`
	// Min and Max are the least and the largest x.
	Min float64 `json:"min"`
	Max float64 `json:"max"`
}

// Figures returns the figures of all rows that were added.
func (t Tally) Figures() Figures {
	f := Figures{
		Elements:      t.stored,
		MaxAbs:        float64(t.maxAbs),
		MaxAbsIndex:   t.maxAbsIndex,
		WorstRow:      t.worstRow,
		WorstRowRelL2: math.Sqrt(t.worst),
		Clipped:       t.clipped,
		Zeros:         t.zeros,
		Min:           float64(t.low),
		Max:           float64(t.high),
	}
	if squares := t.squares.Float64(); squares > 0 {
		f.RelL2 = math.Sqrt(t.errors.Float64() / squares)
		f.AbsMaxRelL2 = math.Sqrt(t.absMaxErrors.Float64() / squares)
	}
	return f
}

// SQNR returns the ratio of signal to quantisation noise in decibels,
// −20·log₁₀ RelL2: +Inf where nothing was lost.
func (f Figures) SQNR() float64 { return -20 * math.Log10(f.RelL2) }
