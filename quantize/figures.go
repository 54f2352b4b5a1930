package quantize

import (
	"bytes"
	"encoding/json"
	"math"
)

// Figures say what storing a tensor by its scheme cost.
type Figures struct {
	// RelL2 is √(Σ(yᵢ−xᵢ)² / Σxᵢ²) over the elements x of the source and y as
	// stored; 0 where all of x are 0.
	RelL2 float64 `json:"rel_l2"`
	// MaxAbs is the largest |yᵢ−xᵢ|, and MaxAbsIndex the first i that has it,
	// row-major.
	MaxAbs      float64 `json:"max_abs"`
	MaxAbsIndex int64   `json:"max_abs_index"`
	// Underflow counts the i with xᵢ ≠ 0 and yᵢ = 0. It is not counted where codes
	// are stored: see Int8Figures.Zero.
	Underflow int64 `json:"underflow"`
	// Largest is the largest |xᵢ|.
	Largest float64 `json:"largest"`
	// Int8 has the figures of codes; zero where none are stored. Errors are those
	// against the elements as loaded, see Cast.Load.
	Int8 Int8Figures `json:"int8,omitzero"`
}

// Int8Figures are the figures of a matrix that is stored as codes and scales.
type Int8Figures struct {
	// SQNR is the ratio of signal to quantisation noise, −20·log₁₀ RelL2.
	SQNR Decibels `json:"sqnr_db"`
	// WorstChannel is the first row with the largest relative error of its own,
	// and WorstChannelRelL2 that error.
	WorstChannel      int64   `json:"worst_channel"`
	WorstChannelRelL2 float64 `json:"worst_channel_rel_l2"`
	// Clipped is the share of elements beyond the largest code.
	Clipped float64 `json:"clipped"`
	// Zero is the share of elements whose code is 0.
	Zero float64 `json:"zero"`
	// AbsMaxRelL2 is RelL2 as it would be if no scale clipped: what choosing the
	// scales by the squared error has gained. It is never smaller.
	AbsMaxRelL2 float64 `json:"abs_max_rel_l2"`
}

// Decibels is a ratio of powers. +Inf, where nothing is lost, is null in JSON.
type Decibels float64

// MarshalJSON implements json.Marshaler.
func (d Decibels) MarshalJSON() ([]byte, error) {
	if math.IsInf(float64(d), 1) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(d))
}

// UnmarshalJSON implements json.Unmarshaler.
func (d *Decibels) UnmarshalJSON(raw []byte) error {
	if bytes.Equal(raw, []byte("null")) {
		*d = Decibels(math.Inf(1))
		return nil
	}
	return json.Unmarshal(raw, (*float64)(d))
}

// Figures returns the figures of all elements that were seen, in the tiles of a
// tensor from its first element on.
func (t *Tally) Figures() Figures {
	if t.rows.Elements() > 0 {
		return t.int8Figures()
	}
	f := Figures{MaxAbs: t.maxAbs, MaxAbsIndex: t.maxAbsIndex, Underflow: t.underflow, Largest: t.largest}
	if squares := t.allSquares(); squares > 0 {
		f.RelL2 = math.Sqrt(t.allErrors() / squares)
	}
	return f
}

func (t *Tally) int8Figures() Figures {
	f := t.rows.Figures()
	share := func(count int64) float64 { return float64(count) / float64(max(f.Elements, 1)) }
	return Figures{
		RelL2: f.RelL2, MaxAbs: f.MaxAbs, MaxAbsIndex: f.MaxAbsIndex, Largest: max(-f.Min, f.Max, 0),
		Int8: Int8Figures{
			SQNR:         Decibels(f.SQNR()),
			WorstChannel: f.WorstRow, WorstChannelRelL2: f.WorstRowRelL2,
			Clipped: share(f.Clipped), Zero: share(f.Zeros),
			AbsMaxRelL2: f.AbsMaxRelL2,
		},
	}
}

// WidestFigures returns figures whose JSON that of no tensor stored by s with so
// many elements is longer than, so that room can be kept for it.
func (s Scheme) WidestFigures(elements int64) Figures {
	const widest = -1.2345678901234567e-300 // no positive float64 is longer
	f := Figures{RelL2: widest, MaxAbs: widest, MaxAbsIndex: elements, Underflow: elements, Largest: widest}
	if s.Quantized() {
		f.Int8 = Int8Figures{
			SQNR: widest, WorstChannel: elements, WorstChannelRelL2: widest,
			Clipped: widest, Zero: widest, AbsMaxRelL2: widest,
		}
	}
	return f
}
