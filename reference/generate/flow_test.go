package generate

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/formats/dtype"
)

func TestSchedule(t *testing.T) {
	if diff := cmp.Diff([]float32{1000, 750, 500, 250, 0}, Schedule(1000.9, 4)); diff != "" {
		t.Error(diff)
	}
	used := TimestepsUsed(Schedule(1000, 16), Released)
	want := []float32{1000, 936, 876, 812, 752, 688, 624, 564, 500, 438, 376, 312, 250, 188, 125, 62.5, 0}
	if diff := cmp.Diff(want, used); diff != "" {
		t.Error(diff)
	}
}

func TestGuide(t *testing.T) {
	for _, c := range []struct {
		contract              Contract
		cond, uncond, s, want float32
		reason                string
	}{
		{Exact, 3, 1, 7, 15, ""},
		{Exact, 1 + 0x1p-23, 1, 7, 1 + 7*0x1p-23, "nothing rounded away"},
		{Exact, 0x1p24, -1, 1, 0x1p24 - 1, "the difference is rounded by itself"},
		{Released, 1, 0x1p-9, 1, 1, "1 − 2⁻⁹ becomes 1"},
		{Released, 1.0078125, 0, 3, 3.03125, "3.0234375 lies between two: to even"},
		{Released, 2, 1, 1.1, 2.09375, "an unrounded scale: 1.1 becomes 1.1015625, the sum 2.1015625 goes to 2.09375"},
	} {
		got, err := Guide([]float32{c.cond}, []float32{c.uncond}, []float32{c.s}, c.contract)
		if err != nil || got[0] != c.want {
			t.Errorf("%v: %v·(%v − %v) + %v = %v, %v; want %v (%s)", c.contract, c.s, c.cond, c.uncond, c.uncond, got, err, c.want, c.reason)
		}
	}
	if _, err := Guide(make([]float32, 3), make([]float32, 3), make([]float32, 2), Exact); err == nil {
		t.Error("3 values for 2 samples pass")
	}
}

func TestEulerStep(t *testing.T) {
	width := StepWidth(1000, 937.5, 1000)
	if width != 0.0625 || StepWidth(1, 0, 0.5) != 1 {
		t.Errorf("widths %v, %v", width, StepWidth(1, 0, 0.5))
	}
	// 0.1f: the float64 quotient is rounded once, to the nearest float32.
	if got := StepWidth(1000, 900, 1000); got != float32(0.1) {
		t.Errorf("width %v", got)
	}
	z := []float32{1, 1}
	if err := EulerStep(z, []float32{1, 1.0078125}, 0.1, Released); err != nil {
		t.Fatal(err)
	}
	tenth := float32(1) - dtype.RoundBF16(float32(0.1))
	if z[0] != tenth || z[1] != 1-dtype.RoundBF16(float32(1.0078125)*float32(0.1)) {
		t.Errorf("released step: %v", z)
	}
	z = []float32{1}
	if err := EulerStep(z, []float32{1}, 0.1, Exact); err != nil || z[0] != 1-float32(0.1) {
		t.Errorf("exact step: %v, %v", z, err)
	}
	if EulerStep(z, nil, 1, Exact) == nil {
		t.Error("a step without velocities passes")
	}
}
