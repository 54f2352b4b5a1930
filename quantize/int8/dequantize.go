package int8

import (
	"fmt"

	"colakit/formats/tensor"
)

// Dequantize sets dst to the values of codes, a matrix of shape [rows, cols], as
// tensor.View does. An error means lengths or a quantisation that do not fit.
func Dequantize(dst []float32, codes, scales []byte, rows, cols int, q tensor.Quantization) error {
	return dequantize(dst, codes, scales, rows, cols, q, fastest)
}

func dequantize(dst []float32, codes, scales []byte, rows, cols int, q tensor.Quantization, k kernel) error {
	s := Scheme{Quantization: q}
	if err := s.check(len(codes), len(scales), len(dst), rows, cols); err != nil {
		return fmt.Errorf("dequantise: %w", err)
	}
	if len(dst) == 0 {
		return nil
	}
	row := make([]float32, q.ScalesPerRow(cols))
	for r := range rows {
		for g := range row {
			row[g] = q.At(scales, r*len(row)+g)
		}
		k.decode(dst[r*cols:(r+1)*cols], codes[r*cols:(r+1)*cols], row, q.Width(cols))
	}
	return nil
}
