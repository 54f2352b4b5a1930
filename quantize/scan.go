package quantize

import (
	"encoding/binary"
	"fmt"

	"colakit/formats/dtype"
)

// Scan says whether data, elements of the float type t or codes (I8), are sound,
// that is without a NaN, an Inf or the code −128 that no conversion writes, and
// whether it is nothing but zeros. It works on the codes, several at a time.
func Scan(data []byte, t dtype.Type) (sound, zero bool, err error) {
	if t == dtype.I8 {
		lowest, any := scanCodes(data)
		return lowest&codeSigns == 0, any == 0, nil
	}
	m, ok := masks[t]
	if !ok || len(data)%t.Size() != 0 {
		return false, false, fmt.Errorf("%d bytes are no elements of type %v", len(data), t)
	}
	carries, any := m.scan(data)
	return carries&m.sign == 0, any&^m.sign == 0, nil
}

// plainScan returns the bits of all sums of a word's exponents with the step, and
// of all words, in plain Go.
func (m laneMasks) plainScan(data []byte) (carries, any uint64) {
	words(data, func(w uint64) {
		carries |= w&m.exponent + m.step
		any |= w
	})
	return carries, any
}

// The fields of eight codes.
const codeSigns, codeRests = 0x8080_8080_8080_8080, 0x7f7f_7f7f_7f7f_7f7f

// plainScanCodes returns the bits of all words, and marks the signs of those codes
// that are −128, in plain Go: of the sign alone, so that 127 added to the rest of
// the byte does not carry into its place. Other bits of lowest mean nothing.
func plainScanCodes(data []byte) (lowest, any uint64) {
	words(data, func(w uint64) {
		lowest |= w &^ (w&codeRests + codeRests)
		any |= w
	})
	return lowest, any
}

// words calls see for every 8 bytes of data, the last ones filled up with zeros.
func words(data []byte, see func(uint64)) {
	for ; len(data) >= 8; data = data[8:] {
		see(binary.LittleEndian.Uint64(data))
	}
	var rest [8]byte
	copy(rest[:], data)
	see(binary.LittleEndian.Uint64(rest[:]))
}

// laneMasks hold a code's fields, repeated over 64 bits. An exponent of ones
// alone, that of NaN and Inf, carries into the sign when its lowest bit is added.
type laneMasks struct{ sign, exponent, step uint64 }

var masks = map[dtype.Type]laneMasks{
	dtype.F64:  {1 << 63, 0x7ff << 52, 1 << 52},
	dtype.F32:  {0x8000_0000_8000_0000, 0x7f80_0000_7f80_0000, 0x0080_0000_0080_0000},
	dtype.F16:  {0x8000_8000_8000_8000, 0x7c00_7c00_7c00_7c00, 0x0400_0400_0400_0400},
	dtype.BF16: {0x8000_8000_8000_8000, 0x7f80_7f80_7f80_7f80, 0x0080_0080_0080_0080},
}
