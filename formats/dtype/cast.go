package dtype

import (
	"encoding/binary"
	"math"
	"unsafe"
)

// kernel is one implementation of the casts of many elements between float32 and
// the formats of 16 bits. All give the same bits.
type kernel string

// plain is in Go.
const plain kernel = "plain"

// fastest is the kernel in use.
var fastest = kernels()[0]

func plainWidenF16(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = F16ToFloat32(binary.LittleEndian.Uint16(src[2*i:]))
	}
}

// plainWidenBF16 decodes four values at a time.
func plainWidenBF16(dst []float32, src []byte) {
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

func plainNarrowF16(dst []byte, src []float32) {
	for i, f := range src {
		binary.LittleEndian.PutUint16(dst[2*i:], Float32ToF16(f))
	}
}

func plainNarrowBF16(dst []byte, src []float32) {
	for i, f := range src {
		binary.LittleEndian.PutUint16(dst[2*i:], Float32ToBF16(f))
	}
}

// littleEndian says that float32s lie in memory as they are stored.
var littleEndian = func() bool {
	one := uint16(1)
	return *(*byte)(unsafe.Pointer(&one)) == 1
}()

// memory returns the bytes that values occupy.
func memory(values []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), 4*len(values))
}

func decodeF32(dst []float32, src []byte) {
	if littleEndian {
		copy(memory(dst), src)
		return
	}
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
	}
}

func encodeF32(dst []byte, src []float32) {
	if littleEndian {
		copy(dst, memory(src))
		return
	}
	for i, f := range src {
		binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(f))
	}
}
