package int8

import (
	"encoding/binary"
	"math"
	"testing"
)

// FuzzQuantize reads numbers, a width and a scheme from the input and holds the
// kernels to plain Go, the codes to their bound, and clipping to AbsMax.
func FuzzQuantize(f *testing.F) {
	seed := func(cols, scheme byte, x ...float32) {
		data := []byte{cols, scheme}
		for _, v := range x {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
		}
		f.Add(data)
	}
	seed(0, 0, 1)
	seed(2, 1, 1, -127.5, 0)
	seed(15, 6, weights(64)...)
	seed(33, 8, weights(130)...)
	seed(150, 9, append(weights(300), 5)...)
	seed(1, 1, math.SmallestNonzeroFloat32, 190*math.SmallestNonzeroFloat32)
	seed(1, 7, math.MaxFloat32, float32(math.Inf(1)))
	seed(0, 3, float32(math.NaN()), 1e7)
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 6 {
			return
		}
		cols, s := int(data[0])+1, schemes[int(data[1])%len(schemes)]
		rows := min((len(data)-2)/4/cols, 8)
		if rows == 0 {
			return
		}
		x := make([]float32, rows*cols)
		for i := range x {
			x[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[2+4*i:]))
		}
		checkTwins(t, x, cols, s)
		checkBound(t, x, cols, s)
		checkClipping(t, x, cols, s)
	})
}
