package operation

import (
	"math"

	"colakit/formats/dtype"
)

// rounding rounds one number.
type rounding func(float64) float64

func unrounded(x float64) float64 { return x }

// nearestBF16 rounds to float32 and then to the nearest bfloat16, ties to even, as
// a kernel does that accumulates in float32.
func nearestBF16(x float64) float64 { return float64(dtype.RoundBF16(float32(x))) }

// towardsZeroBF16 cuts off the lower half of a float32.
func towardsZeroBF16(x float64) float64 {
	return float64(math.Float32frombits(math.Float32bits(float32(x)) &^ 0xffff))
}

// nearestF16 rounds to the nearest float16.
func nearestF16(x float64) float64 {
	return float64(dtype.F16ToFloat32(dtype.Float32ToF16(float32(x))))
}

// nearestTF32 keeps the 10 bits of mantissa that tensor cores take of a float32.
func nearestTF32(x float64) float64 {
	b := math.Float32bits(float32(x))
	return float64(math.Float32frombits((b + 0x0fff + b>>13&1) &^ 0x1fff))
}

// single is the float32 number nearest to x.
func single(x float64) float64 { return float64(float32(x)) }
