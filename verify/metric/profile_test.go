package metric

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
)

func TestProfile(t *testing.T) {
	ulp := 0x1p-23 // of values in [1, 2)
	tests := []struct {
		name      string
		got, want []float64
		profile   Profile
	}{
		{"empty", nil, nil, Profile{}},
		{"one element, equal", []float64{1}, []float64{1}, Profile{[]int64{1}, []Magnitude{{Exponent: 0, N: 1}}}},
		{"distances 0 to 4", []float64{1, 1 + ulp, 1 + 2*ulp, 1 + 3*ulp, 1 + 4*ulp}, []float64{1, 1, 1, 1, 1},
			Profile{[]int64{1, 1, 2, 1}, []Magnitude{{0, 5, ulp * math.Sqrt(6), 4 * ulp}}}},
		{"far apart", []float64{2, 1.5}, []float64{1, 1}, // 2²³ and 2²² ULP
			Profile{append(make([]int64, 23), 1, 1), []Magnitude{{0, 2, math.Sqrt(0.625), 1}}}},
		{"magnitudes", []float64{0, 0x1p-120, 0.5, 4, -17, 1e30}, []float64{0, 0, 0.25, 3.9, -16, 1e30},
			Profile{nil, []Magnitude{{-64, 2, 0x1p-120 / math.Sqrt2, 0x1p-120}, {-2, 1, 0.25, 0.25}, {0, 1, 0.1, 0.1}, {4, 1, 1, 1}, {62, 1, 0, 0}}}},
		{"not finite", []float64{nan, inf, 1}, []float64{nan, 1, 1}, Profile{[]int64{1}, []Magnitude{{Exponent: 0, N: 1}}}},
		{"denormals", []float64{0x1p-149}, []float64{0x1p-148}, Profile{nil, []Magnitude{{-64, 1, 0x1p-149, 0x1p-149}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := compare(t, dtype.F32, tensor.Shape{len(tt.want)}, Band{}, tt.got, tt.want).Profile
			if tt.profile.Distances == nil && tt.name != "empty" {
				got.Distances = nil // the case is about magnitudes
			}
			if diff := cmp.Diff(tt.profile, got, cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) <= 1e-6*math.Abs(b) })); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestProfilesMerge: the profile of all elements is that of the parts.
func TestProfilesMerge(t *testing.T) {
	var got, want []float64
	for i := range 3000 {
		e := math.Ldexp(math.Cos(float64(i)), i%13-6)
		want, got = append(want, e), append(got, e*(1+0x1p-21*math.Sin(float64(7*i))))
	}
	part := func(from, to int) Profile {
		return compare(t, dtype.F32, tensor.Shape{to - from}, Band{}, got[from:to], want[from:to]).Profile
	}
	var sum Profile
	for _, p := range []Profile{part(0, 10), part(10, 1000), part(1000, 3000)} {
		sum.Merge(p)
	}
	whole := part(0, 3000)
	if diff := cmp.Diff(whole, sum, near); diff != "" {
		t.Errorf("(-whole +merged)\n%s", diff)
	}
	if len(whole.Distances) < 2 || len(whole.Magnitudes) < 5 {
		t.Errorf("the test is too simple: %+v", whole)
	}
}
