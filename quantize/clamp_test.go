package quantize

import (
	"math"
	"testing"

	"colakit/formats/dtype"
)

// TestClamp stores the largest value for those beyond it, counts them, and keeps
// their errors in the figures; what is not finite is counted as before.
func TestClamp(t *testing.T) {
	x := []float64{1, 70000, -1e6, 65504, math.Inf(1), 65505}
	for _, from := range []dtype.Type{dtype.F32, dtype.F64} {
		dst, tally := convert(t, Cast{From: from, To: F16, Clamp: true}, encode(t, x, from))
		for i, want := range []float64{1, 65504, -65504, 65504, 65504, 65504} {
			if got := decode(t, dst, dtype.F16)[i]; got != want {
				t.Errorf("%v %v is stored as %v, want %v", from, x[i], got, want)
			}
		}
		if o := tally.Overflow; o.Count != 3 || o.Index != 1 || o.Value != 70000 || tally.Inf.Count != 1 {
			t.Errorf("%v: overflow %+v, %d Inf", from, o, tally.Inf.Count)
		}
	}
	_, tally := convert(t, Cast{From: dtype.F32, To: F16, Clamp: true}, encode(t, x[:4], dtype.F32))
	if f := tally.Figures(); f.MaxAbs != 1e6-65504 || f.MaxAbsIndex != 2 {
		t.Errorf("the largest error is %v at %d", f.MaxAbs, f.MaxAbsIndex)
	}
	dst, _ := convert(t, Cast{From: dtype.F32, Load: dtype.F16, To: F32, Clamp: true}, encode(t, x[:2], dtype.F32))
	if got := decode(t, dst, dtype.F32)[1]; got != 65504 {
		t.Errorf("loaded as f16: %v", got)
	}
	dst, _ = convert(t, Cast{From: dtype.F32, To: F16, Clamp: true}, encode(t, []float64{math.NaN()}, dtype.F32))
	if got := decode(t, dst, dtype.F16)[0]; !math.IsNaN(got) {
		t.Errorf("NaN is stored as %v", got)
	}
}
