package metric

import (
	"encoding/json"
	"math"
)

// Summary holds the figures of one comparison. Its zero value is that of two
// empty tensors.
type Summary struct {
	N      int64 `json:"n"`      // elements
	Finite int64 `json:"finite"` // elements finite on both sides; the figures below are over these

	// RelL2 is ‖a−e‖ / max(‖e‖, ε), with ε = 2⁻¹²⁶·√n.
	RelL2 float64 `json:"rel_l2"`
	// Cosine is a·e / (‖a‖·‖e‖); 1 where both norms are zero, 0 where one is.
	Cosine float64 `json:"cosine"`
	// Bias is mean(a−e) / rms(e), with rms(e) at least 2⁻¹²⁶.
	Bias float64 `json:"bias"`
	// RMS is the root mean square of e.
	RMS float64 `json:"rms"`
	// MaxRef is the largest |e|.
	MaxRef float64 `json:"max_ref"`

	MaxAbs Extreme `json:"max_abs"` // the largest |a−e|

	Differing int64 `json:"differing,omitempty"` // elements whose value in the reference's stored type is not the same (0 and −0 are)
	ULP       ULP   `json:"ulp,omitzero"`

	// Small counts the elements with |e| below the bound of the small-value domain,
	// SmallBelow; SmallMax is the largest |a−e| among them.
	Small      int64   `json:"small,omitempty"`
	SmallMax   float64 `json:"small_max,omitempty"`
	SmallBelow float64 `json:"small_below"` // 2⁻¹⁰ for f16 and bf16, 2⁻²⁰ for f32 and f64

	Outside Outside `json:"outside,omitzero"`
	Column  Column  `json:"column,omitzero"`
	Mask    Mask    `json:"mask,omitzero"`

	Profile Profile `json:"-"` // reports sum it up over like comparisons
}

// Extreme is an element that stands out.
type Extreme struct {
	Value float64 `json:"value"` // |a−e|
	At    int64   `json:"at"`    // row-major index; −1 where there is none
	Got   float64 `json:"got"`
	Want  float64 `json:"want"`
}

// ULP describes the distances in units of the last place of the stored type:
// the number of representable values from e to a, both rounded to that type.
// Elements in the small-value domain are left out.
type ULP struct {
	N     int64 `json:"n"` // elements measured
	P50   int64 `json:"p50"`
	P99   int64 `json:"p99"`
	P999  int64 `json:"p999"`
	Max   int64 `json:"max"`
	Over0 int64 `json:"over0"` // elements that differ
	Over1 int64 `json:"over1"` // elements farther apart than 1
	Over2 int64 `json:"over2"`
	Over4 int64 `json:"over4"`
}

// Outside judges elements one by one against a band atol + rtol·|e|.
type Outside struct {
	Count int64 `json:"count"` // elements with |a−e| beyond the band
	// Used is the largest |a−e| / (atol + rtol·|e|): the share of the band used.
	Used Extreme `json:"used"`
	// LeastAtol is the smallest atol that would pass with the given rtol,
	// LeastRtol the smallest rtol with the given atol.
	LeastAtol float64 `json:"least_atol"`
	LeastRtol float64 `json:"least_rtol"`
}

// Column is the place along the last axis that holds most of the squared error:
// one bias element or one row of a weight shows as a single column.
type Column struct {
	Index int     `json:"index"`
	Share float64 `json:"share"` // of Σ(a−e)², 0…1
	// Offset is |mean(a−e)| / rms(a−e) of that column: 1 where it is off by the
	// same amount everywhere, as a bias element makes it.
	Offset float64 `json:"offset"`
	// Steady is the largest share of its elements by which a column is off by
	// more than 1 ULP outside the small-value domain, SteadyAt that column. Only
	// columns with at least 4 elements outside that domain are looked at.
	Steady   float64 `json:"steady"`
	SteadyAt int     `json:"steady_at"`
}

// Mask counts what is not finite.
type Mask struct {
	GotNaN  int64 `json:"got_nan"`
	WantNaN int64 `json:"want_nan"`
	GotInf  int64 `json:"got_inf"`
	WantInf int64 `json:"want_inf"`
	// Mismatch counts elements where one side is NaN or ±Inf and the other is
	// not the same; First is the row-major index of the first, −1 if none.
	Mismatch int64 `json:"mismatch"`
	First    int64 `json:"first"`
}

// IsZero reports whether no element is out of the ordinary; JSON leaves it out.
func (m Mask) IsZero() bool { return m.GotNaN+m.WantNaN+m.GotInf+m.WantInf == 0 }

// IsZero reports whether no element differs.
func (o Outside) IsZero() bool { return o.Used.At < 0 }

// IsZero reports whether no column differs.
func (c Column) IsZero() bool { return c.Share == 0 }

// SQNR is 20·log10(‖e‖/‖e−a‖) in dB, +Inf where a = e.
func (s Summary) SQNR() float64 {
	if s.RelL2 == 0 {
		return math.Inf(1)
	}
	return -20 * math.Log10(s.RelL2)
}

// MarshalJSON adds sqnr_db, which is null where it is infinite.
func (s Summary) MarshalJSON() ([]byte, error) {
	type plain Summary
	out := struct {
		plain
		SQNR *float64 `json:"sqnr_db"`
	}{plain: plain(s)}
	if db := s.SQNR(); !math.IsInf(db, 0) && !math.IsNaN(db) {
		out.SQNR = &db
	}
	for _, f := range []*float64{
		&out.MaxAbs.Value, &out.MaxAbs.Got, &out.MaxAbs.Want,
		&out.Outside.Used.Value, &out.Outside.Used.Got, &out.Outside.Used.Want, &out.Outside.LeastRtol,
	} {
		*f = math.Min(*f, math.MaxFloat64) // the elements are finite, but ratios may not be
	}
	return json.Marshal(out)
}
