//go:build cgo && linux && (amd64 || arm64)

package emulated

import (
	"math"
	"math/rand/v2"
	"os"
	"testing"
)

// sanitizer is the one that the test binary was built with; scripts/sanitize.sh sets it.
func sanitizer() string { return os.Getenv("EMULATED_SANITIZER") }

func TestHalfConversions(t *testing.T) {
	for h := range 1 << 16 {
		f := halfToFloat(uint16(h))
		if f == f && floatToHalf(f) != uint16(h) {
			t.Fatalf("%04x -> %g -> %04x", h, f, floatToHalf(f))
		}
	}
	for _, c := range []struct {
		f float32
		h uint16
	}{{65519, 0x7bff}, {65520, 0x7c00}, {1 + 1.0/2048, 0x3c00}, {1 + 3.0/2048, 0x3c02}, {2.9802322e-8, 0}, {2.9802326e-8, 1}, {float32(math.Inf(-1)), 0xfc00}} {
		if got := floatToHalf(c.f); got != c.h {
			t.Errorf("%g -> %04x, not %04x", c.f, got, c.h)
		}
	}
}

// TestApproximations holds exp2_approx and log2_approx against float64 of Go: at most one unit in the last place.
func TestApproximations(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 100000 {
		x := float32(r.Float64()*300 - 155)
		within(t, "exp2", x, exp2Approximate(x), math.Exp2(float64(x)))
		y := float32(math.Exp2(r.Float64()*250 - 125))
		within(t, "log2", y, log2Approximate(y), math.Log2(float64(y)))
	}
	for _, x := range []float32{0, 1, -1, -149, 127, 128, float32(math.Inf(1)), float32(math.Inf(-1))} {
		within(t, "exp2", x, exp2Approximate(x), math.Exp2(float64(x)))
	}
	if got := exp2Approximate(float32(math.NaN())); got == got {
		t.Errorf("exp2(NaN) is %g", got)
	}
	if got := log2Approximate(-1); got == got {
		t.Errorf("log2(-1) is %g", got)
	}
}

func within(t *testing.T, what string, x, got float32, exact float64) {
	t.Helper()
	want := float32(exact)
	if got != want && got != math.Nextafter32(want, float32(math.Inf(1))) && got != math.Nextafter32(want, float32(math.Inf(-1))) {
		t.Errorf("%s(%g) is %g, not %g", what, x, got, want)
	}
}
