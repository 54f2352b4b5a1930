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
		decodeF32(dst, src)
	case F64:
		for i := range dst {
			dst[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(src[8*i:])))
		}
	case F16:
		widenF16(dst, src)
	case BF16:
		widenBF16(dst, src)
	}
	return nil
}

// Float64s is Float32s for a destination that holds every float type exactly.
func Float64s(dst []float64, src []byte, t Type) error {
	if err := fits(len(dst), len(src), t); err != nil {
		return err
	}
	n := widen64(dst, src, t)
	dst, src = dst[n:], src[n*t.Size():]
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
		encodeF32(dst, src)
	case F64:
		for i, f := range src {
			binary.LittleEndian.PutUint64(dst[8*i:], math.Float64bits(float64(f)))
		}
	case F16:
		narrowF16(dst, src)
	case BF16:
		narrowBF16(dst, src)
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
