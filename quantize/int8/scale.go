package int8

import (
	"encoding/binary"
	"math"

	"colakit/formats/dtype"
)

const (
	maxCode = 127
	// beyond is the least quotient that is clipped: a tie that rounds to 128.
	beyond = maxCode + 0.5
)

// scaleFor returns the scale of a group whose largest magnitude is peak. It is
// false where that can't be stored: NaN, Inf or too much for the scheme.
func (s Scheme) scaleFor(peak float32) (float32, bool) {
	scale := min(s.round(peak/maxCode), s.largest())
	if peak/scale >= beyond && scale < s.largest() {
		scale = s.next(scale)
	}
	return scale, peak == 0 || peak/scale < beyond
}

// round returns the scale nearest to x, ties to even.
func (s Scheme) round(x float32) float32 {
	if s.Scale == dtype.F16 {
		return dtype.F16ToFloat32(dtype.Float32ToF16(x))
	}
	return x
}

// next returns the next larger scale.
func (s Scheme) next(scale float32) float32 {
	if s.Scale == dtype.F16 {
		return dtype.F16ToFloat32(dtype.Float32ToF16(scale) + 1)
	}
	return math.Float32frombits(math.Float32bits(scale) + 1)
}

// encodeScales stores the scales of a row.
func (s Scheme) encodeScales(dst []byte, scales []float32) {
	for i, scale := range scales {
		if s.Scale == dtype.F16 {
			binary.LittleEndian.PutUint16(dst[2*i:], dtype.Float32ToF16(scale))
		} else {
			binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(scale))
		}
	}
}
