package gguf

import (
	"encoding/binary"
	"fmt"
	"math"
	"unsafe"

	"colakit/formats/dtype"
)

// A block of Q8_0:
//
//	offset  bytes
//	     0      2  d: binary16
//	     2     32  q: 32 × int8
const (
	q8Elements = 32
	q8Bytes    = 2 + q8Elements
	q8Largest  = 127 // magnitude of a code
)

// EncodeQ8_0 encodes src, whole rows of whole blocks, into dst, 34 bytes for
// every 32 elements; it is an error if the lengths do not say so. Values beyond
// 127·65504 overflow the scale, and a block that holds an infinity or NaN decodes
// to NaN only; neither is an error here. The bytes are those of the Python package
// gguf and, where no NaN is among the values, of ggml, which passes over NaN.
func EncodeQ8_0(dst []byte, src []float32) error {
	if err := fitsQ8(len(src), len(dst)); err != nil {
		return err
	}
	for len(src) > 0 {
		encodeBlockQ8((*[q8Bytes]byte)(dst), (*[q8Elements]float32)(src))
		dst, src = dst[q8Bytes:], src[q8Elements:]
	}
	return nil
}

// DecodeQ8_0 decodes src, blocks of 34 bytes, into dst, 32 elements for each; it
// is an error if the lengths do not say so.
func DecodeQ8_0(dst []float32, src []byte) error {
	if err := fitsQ8(len(dst), len(src)); err != nil {
		return err
	}
	for len(dst) > 0 {
		decodeBlockQ8((*[q8Elements]float32)(dst), (*[q8Bytes]byte)(src))
		dst, src = dst[q8Elements:], src[q8Bytes:]
	}
	return nil
}

func fitsQ8(elements, bytes int) error {
	if elements%q8Elements != 0 || bytes%q8Bytes != 0 || elements/q8Elements != bytes/q8Bytes {
		return fmt.Errorf("%d elements and %d bytes are not the same number of Q8_0 blocks", elements, bytes)
	}
	return nil
}

// encodeBlockQ8 computes, all of it in float32,
//
//	d = max|x| / 127,  q = round(x · (1/d)), halves away from zero,
//
// and stores d rounded to binary16, to nearest even. q is 0 where d is 0, not
// finite, or so small that 1/d is infinite.
func encodeBlockQ8(dst *[q8Bytes]byte, src *[q8Elements]float32) {
	bits := (*[q8Elements]uint32)(unsafe.Pointer(src))
	d := math.Float32frombits(largestMagnitude(bits)) / q8Largest
	binary.LittleEndian.PutUint16(dst[:], dtype.Float32ToF16(d))
	q := (*[q8Elements]byte)(dst[2:])
	if !(d > 0x1p-128 && d <= math.MaxFloat32) {
		*q = [q8Elements]byte{}
		return
	}
	inverse := 1 / d
	for i, x := range src {
		q[i] = byte(int32(float32(x*inverse) + roundingHalf[bits[i]>>31]))
	}
}

// roundingHalf is what is added, by sign, before truncation. It is the value
// next to a half: a sum that is halfway between two float32 goes to the even one,
// which takes 0.49999997 to 0 and 0.5 to 1.
var roundingHalf = [2]float32{0x1.fffffep-2, -0x1.fffffep-2}

// largestMagnitude returns the bits of the largest |x|; NaN is above infinity.
// Four maxima, so that no comparison waits for the one before it.
func largestMagnitude(bits *[q8Elements]uint32) uint32 {
	var a, b, c, d uint32
	for i := 0; i < q8Elements; i += 4 {
		a, b = max(a, bits[i]<<1), max(b, bits[i+1]<<1)
		c, d = max(c, bits[i+2]<<1), max(d, bits[i+3]<<1)
	}
	return max(a, b, c, d) >> 1
}

// decodeBlockQ8 computes x = q·d in float32.
func decodeBlockQ8(dst *[q8Elements]float32, src *[q8Bytes]byte) {
	d := dtype.F16ToFloat32(binary.LittleEndian.Uint16(src[:]))
	for i, q := range src[2:] {
		dst[i] = float32(int8(q)) * d
	}
}
