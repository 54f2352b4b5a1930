package int8

import "math"

// Quantize encodes x, a matrix of shape [rows, cols] or whole rows of a larger
// one: codes, one byte an element, and scales, [rows, groups of a row] of the
// scheme's type. An error means a scheme or lengths that do not fit. Rows that
// can't be stored are no error: their codes and scales are 0, and the Tally says
// where their NaN, Inf or overflow is. No one else will.
func Quantize(codes, scales []byte, x []float32, rows, cols int, s Scheme) (Tally, error) {
	return quantize(codes, scales, x, rows, cols, s, fastest)
}

func quantize(codes, scales []byte, x []float32, rows, cols int, s Scheme, k kernel) (Tally, error) {
	if err := s.check(len(codes), len(scales), len(x), rows, cols); err != nil {
		return Tally{}, err
	}
	if rows == 0 || cols == 0 {
		return Tally{rows: int64(rows)}, nil
	}
	e := newEncoder(cols, s, k)
	tally, scaleBytes := Tally{}, len(scales)/rows
	for r := range rows {
		x, codes := x[r*cols:(r+1)*cols], codes[r*cols:(r+1)*cols]
		if e.row(codes, x) {
			s.encodeScales(scales[r*scaleBytes:], e.scales)
			tally.addRow(&e.row0, &e.unclipped, cols)
		} else {
			clear(codes)
			clear(scales[r*scaleBytes : (r+1)*scaleBytes])
			tally.addBadRow(x, s)
		}
	}
	tally.locate(codes, scales, x, cols, s)
	return tally, nil
}
