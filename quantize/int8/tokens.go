package int8

import (
	"fmt"
	"math"
	"unsafe"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
)

// perToken is the scheme of activations: a float32 scale for each row.
var perToken = Scheme{Quantization: tensor.Quantization{Scale: dtype.F32}}

// QuantizeTokens encodes activations x of shape [rows, cols], one row per token,
// as they come: codes of the same shape and a float32 scale for each row, as the
// package's codec defines them. It is an error if the lengths do not fit, or if x
// holds NaN or Inf.
func QuantizeTokens(codes []int8, scales, x []float32, rows, cols int) error {
	if err := perToken.check(len(codes), 4*len(scales)*min(cols, 1), len(x), rows, cols); err != nil {
		return fmt.Errorf("quantise activations: %w", err)
	}
	if len(x) == 0 {
		clear(scales)
		return nil
	}
	e := newEncoder(cols, perToken, fastest)
	data := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(codes))), len(codes))
	for r := range rows {
		row := x[r*cols : (r+1)*cols]
		if !e.encodeRow(data[r*cols:(r+1)*cols], row) {
			c := firstNonFinite(row)
			return fmt.Errorf("quantise activations: token %d, channel %d is %v; finite numbers have codes", r, c, row[c])
		}
		scales[r] = e.scales[0]
	}
	return nil
}

func firstNonFinite(x []float32) int {
	for i, v := range x {
		if math.IsInf(float64(v), 0) || v != v {
			return i
		}
	}
	return 0
}
