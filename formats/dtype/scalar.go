package dtype

import "math"

const (
	f32Magnitude = 0x7fffffff
	f32Infinity  = 0x7f800000
	f16Infinity  = 0x7c00
	f16Quiet     = 0x0200 // the bit that makes a NaN a quiet one
	bf16Quiet    = 0x0040

	// rebias moves a binary16 exponent (bias 15) to binary32 (bias 127).
	rebias = (127 - 15) << 23

	f32Of2p16  = 0x47800000 // 65536: every finite F16 is smaller
	f32Of2m14  = 0x38800000 // 2⁻¹⁴: the smallest normal F16
	f32OfAHalf = 0x3f000000 // 0.5: its ULP in binary32 is 2⁻²⁴, the F16 subnormal step
)

// F16ToFloat32 widens a binary16, exactly. A signalling NaN becomes quiet.
func F16ToFloat32(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	switch rest := uint32(h & 0x7fff); {
	case rest >= 0x0400 && rest < f16Infinity:
		return math.Float32frombits(sign | (rest<<13 + rebias))
	case rest > f16Infinity:
		return math.Float32frombits(sign | f32Infinity | (rest|f16Quiet)<<13)
	case rest == f16Infinity:
		return math.Float32frombits(sign | f32Infinity)
	default: // subnormal or zero: rest counts steps of 2⁻²⁴
		return math.Float32frombits(sign | math.Float32bits(float32(rest)*0x1p-24))
	}
}

// Float32ToF16 rounds to the nearest binary16, ties to even. Magnitudes of 65520
// and more become infinite; NaN stays NaN, quiet, with the upper payload bits.
func Float32ToF16(f float32) uint16 {
	bits := math.Float32bits(f)
	sign := uint16(bits>>16) & 0x8000
	switch bits &= f32Magnitude; {
	case bits >= f32Of2m14 && bits < f32Of2p16:
		// Add just under half a step, and the rest of it to odd codes: the
		// carry rounds, up into the exponent and to infinity where it must.
		return sign | uint16((bits-rebias+0x0fff+bits>>13&1)>>13)
	case bits < f32Of2m14:
		// The sum is rounded by the processor to a multiple of 2⁻²⁴.
		return sign | uint16(math.Float32bits(math.Float32frombits(bits)+0.5)-f32OfAHalf)
	case bits > f32Infinity:
		return sign | f16Infinity | f16Quiet | uint16(bits>>13)&0x03ff
	default:
		return sign | f16Infinity
	}
}

// BF16ToFloat32 widens a bfloat16, exactly.
func BF16ToFloat32(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }

// Float32ToBF16 rounds to the nearest bfloat16, ties to even. NaN stays NaN,
// quiet, with the upper payload bits.
func Float32ToBF16(f float32) uint16 {
	bits := math.Float32bits(f)
	if bits&f32Magnitude > f32Infinity {
		return uint16(bits>>16) | bf16Quiet
	}
	return uint16((bits + 0x7fff + bits>>16&1) >> 16)
}

// RoundBF16 returns the bfloat16 value nearest to f, ties to even.
func RoundBF16(f float32) float32 {
	bits := math.Float32bits(f)
	if bits&f32Magnitude > f32Infinity {
		return math.Float32frombits((bits | bf16Quiet<<16) &^ 0xffff)
	}
	return math.Float32frombits((bits + 0x7fff + bits>>16&1) &^ 0xffff)
}

// roundToOdd narrows d so that a second rounding, to F16 or BF16, gives what one
// rounding of d would: an inexact result is truncated and its last bit set.
// (S. Boldo, G. Melquiond, "Emulation of FMA and correctly rounded sums: proved
// algorithms using rounding to odd", 2008.)
func roundToOdd(d float64) float32 {
	f := float32(d)
	if float64(f) == d || d != d {
		return f
	}
	bits := math.Float32bits(f)
	if math.Abs(float64(f)) > math.Abs(d) {
		bits--
	}
	return math.Float32frombits(bits | 1)
}
