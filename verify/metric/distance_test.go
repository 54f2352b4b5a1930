package metric

import (
	"math"
	"testing"

	"colakit/formats/dtype"
)

func TestDistance(t *testing.T) {
	tests := []struct {
		typ  dtype.Type
		a, e float64
		want int64
	}{
		{dtype.F32, 1, 1, 0},
		{dtype.F32, 1, 1 + 0x1p-23, 1},
		{dtype.F32, 1, 1 - 0x1p-24, 1},
		{dtype.F32, 0, math.Copysign(0, -1), 0},
		{dtype.F32, 0x1p-149, -0x1p-149, 2},
		{dtype.F32, 0x1p-126, 0x1p-126 - 0x1p-149, 1},
		{dtype.F32, math.MaxFloat32, -math.MaxFloat32, 2 * 0x7f7fffff},
		{dtype.F32, 1 + 0x1p-25, 1, 0}, // rounds to the same float32
		{dtype.BF16, 1, 1 + 0x1p-7, 1},
		{dtype.BF16, -2, -2 - 0x1p-6, 1},
		{dtype.BF16, 1, 2, 128},
		{dtype.F16, 1, 1 + 0x1p-10, 1},
		{dtype.F16, 0x1p-24, -0x1p-24, 2},
		{dtype.F64, 1, 1 + 0x1p-52, 1},
		{dtype.F64, math.MaxFloat64, -math.MaxFloat64, math.MaxInt64},
	}
	for _, tt := range tests {
		if got := Distance(tt.a, tt.e, tt.typ); got != tt.want {
			t.Errorf("%v: from %v to %v: got %d, want %d", tt.typ, tt.e, tt.a, got, tt.want)
		}
		if got := Distance(tt.e, tt.a, tt.typ); got != tt.want {
			t.Errorf("%v: from %v to %v: got %d, want %d", tt.typ, tt.a, tt.e, got, tt.want)
		}
	}
}

func TestHistogramPercentiles(t *testing.T) {
	var h histogram
	for d := range int64(1000) {
		h.add(d)
	}
	for _, tt := range []struct {
		p    float64
		want int64
	}{{0, 0}, {0.001, 0}, {0.5, 499}, {0.99, 989}, {0.999, 998}, {1, 999}} {
		if got := h.percentile(tt.p); got != tt.want {
			t.Errorf("percentile %v: got %d, want %d", tt.p, got, tt.want)
		}
	}
	if h.over(0) != 999 || h.over(4) != 995 || h.max != 999 {
		t.Errorf("over 0: %d, over 4: %d, max %d", h.over(0), h.over(4), h.max)
	}
}

// TestHistogramNeverUnderstates walks through all magnitudes: the class of a
// lone count is at least the count and at most 1/32 above.
func TestHistogramNeverUnderstates(t *testing.T) {
	for shift := range 63 {
		for _, d := range []int64{1<<shift - 1, 1 << shift, 1<<shift + 1<<shift/3} {
			if d < 0 {
				continue
			}
			var h histogram
			h.add(d)
			h.add(math.MaxInt64) // keeps the maximum from hiding the class
			if got := h.percentile(0.5); got < d || float64(got) > float64(d)*33/32 {
				t.Errorf("%d is reported as %d", d, got)
			}
		}
	}
}

func TestNeighbour(t *testing.T) {
	for _, typ := range []dtype.Type{dtype.F16, dtype.BF16} {
		for _, v := range []float64{0, 1, -1, 0.5, -3.25, 0x1p-14, -0x1p-20, 100} {
			up, down := Neighbour(v, typ, true), Neighbour(v, typ, false)
			if !(up > v && down < v) || Distance(up, v, typ) != 1 || Distance(down, v, typ) != 1 {
				t.Errorf("%v: neighbours of %v are %v and %v", typ, v, down, up)
			}
		}
	}
	if got := Neighbour(65504, dtype.F16, true); got != 65504 {
		t.Errorf("above the largest f16 comes %v", got)
	}
}
