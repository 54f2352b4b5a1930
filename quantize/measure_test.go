package quantize

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"colakit/formats/dtype"
)

// TestMeasure32 holds every kernel to the plain measurement, to the bit, for tails,
// starts between lanes, equal errors, errors whose squares are rounded and elements
// that can't be stored.
func TestMeasure32(t *testing.T) {
	inUse := fastest
	defer func() { fastest = inUse }()
	for _, fastest = range kernels() {
		t.Run(string(fastest), testMeasure32)
	}
}

func testMeasure32(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for range 3000 {
		n := r.IntN(70)
		x, y := make([]float32, n), make([]float32, n)
		for i := range x {
			x[i], y[i] = measured(r, n > 60)
		}
		if r.IntN(8) == 0 {
			y = x
		}
		var want, got Tally
		for _, first := range []int64{0, 64, 64 + int64(r.IntN(10))} {
			measure(&want, x, y, first, 65504)
			measure32(&got, x, y, first, 65504)
		}
		if text := fmt.Sprintf("%+v", want); text != fmt.Sprintf("%+v", got) { // NaN, too
			t.Fatalf("%v stored as %v\n%s\nwith the kernel\n%+v", x, y, text, got)
		}
	}
}

// measured returns an element and how it is stored.
func measured(r *rand.Rand, bad bool) (x, y float32) {
	x = float32(r.NormFloat64())
	switch choice := r.IntN(40); {
	case choice == 0:
		return 1e-9, 0
	case choice == 1:
		return 1, 1.5
	case choice == 2:
		return 0, 0
	case choice == 3:
		return -0x1p-149, float32(math.Copysign(0, -1))
	case choice == 4:
		return x, x * 1e-5
	case choice == 5 && bad:
		return []float32{7e4, float32(math.NaN()), float32(math.Inf(-1)), -65505}[r.IntN(4)], x
	}
	return x, dtype.F16ToFloat32(dtype.Float32ToF16(x))
}
