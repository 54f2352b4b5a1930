package dtype

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Float32s decodes src, little-endian values of the float type t, into dst.
// F16 and BF16 are widened exactly, F64 is rounded to nearest even. It is an
// error unless len(dst)·t.Size() = len(src).
func Float32s(dst []float32, src []byte, t Type) error {
	if err := fits(len(dst), len(src), t); err != nil {
		return err
	}
	switch t {
	case F32:
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
		}
	case F64:
		for i := range dst {
			dst[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(src[8*i:])))
		}
	case F16:
		for i := range dst {
			dst[i] = F16ToFloat32(binary.LittleEndian.Uint16(src[2*i:]))
		}
	case BF16:
		widenBF16(dst, src)
	}
	return nil
}

// widenBF16 decodes four values at a time: engines read weights through it.
func widenBF16(dst []float32, src []byte) {
	for len(dst) >= 4 {
		bits, four := binary.LittleEndian.Uint64(src), dst[:4:4]
		four[0] = math.Float32frombits(uint32(bits) << 16)
		four[1] = math.Float32frombits(uint32(bits) &^ 0xffff)
		four[2] = math.Float32frombits(uint32(bits>>16) &^ 0xffff)
		four[3] = math.Float32frombits(uint32(bits>>32) &^ 0xffff)
		dst, src = dst[4:], src[8:]
	}
	for i := range dst {
		dst[i] = BF16ToFloat32(binary.LittleEndian.Uint16(src[2*i:]))
	}
}

// Float64s is Float32s for a destination that holds every float type exactly.
func Float64s(dst []float64, src []byte, t Type) error {
	if err := fits(len(dst), len(src), t); err != nil {
		return err
	}
	switch t {
	case F32:
		for i := range dst {
			dst[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:])))
		}
	case F64:
		for i := range dst {
			dst[i] = math.Float64frombits(binary.LittleEndian.Uint64(src[8*i:]))
		}
	case F16:
		for i := range dst {
			dst[i] = float64(F16ToFloat32(binary.LittleEndian.Uint16(src[2*i:])))
		}
	case BF16:
		for i := range dst {
			dst[i] = float64(BF16ToFloat32(binary.LittleEndian.Uint16(src[2*i:])))
		}
	}
	return nil
}

// FromFloat32s encodes src as little-endian values of the float type t. F16 and
// BF16 are rounded to nearest even, F16 overflows to infinity; F32 and F64 are
// exact. It is an error unless len(src)·t.Size() = len(dst).
func FromFloat32s(dst []byte, src []float32, t Type) error {
	if err := fits(len(src), len(dst), t); err != nil {
		return err
	}
	switch t {
	case F32:
		for i, f := range src {
			binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(f))
		}
	case F64:
		for i, f := range src {
			binary.LittleEndian.PutUint64(dst[8*i:], math.Float64bits(float64(f)))
		}
	case F16:
		for i, f := range src {
			binary.LittleEndian.PutUint16(dst[2*i:], Float32ToF16(f))
		}
	case BF16:
		for i, f := range src {
			binary.LittleEndian.PutUint16(dst[2*i:], Float32ToBF16(f))
		}
	}
	return nil
}

// FromFloat64s is FromFloat32s for float64: one rounding to nearest even,
// straight from the value given.
func FromFloat64s(dst []byte, src []float64, t Type) error {
	if err := fits(len(src), len(dst), t); err != nil {
		return err
	}
	switch t {
	case F32:
		for i, d := range src {
			binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(float32(d)))
		}
	case F64:
		for i, d := range src {
			binary.LittleEndian.PutUint64(dst[8*i:], math.Float64bits(d))
		}
	case F16:
		for i, d := range src {
			binary.LittleEndian.PutUint16(dst[2*i:], Float32ToF16(roundToOdd(d)))
		}
	case BF16:
		for i, d := range src {
			binary.LittleEndian.PutUint16(dst[2*i:], Float32ToBF16(roundToOdd(d)))
		}
	}
	return nil
}

// fits checks that size bytes hold exactly n values of the float type t.
func fits(n, size int, t Type) error {
	if !t.Float() {
		return fmt.Errorf("element type %v is not a floating-point type", t)
	}
	if size%t.Size() != 0 || size/t.Size() != n {
		return fmt.Errorf("%d bytes of %v do not hold %d values of %d bytes", size, t, n, t.Size())
	}
	return nil
}
