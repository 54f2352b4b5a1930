package int8

import "math"

// Quantize encodes x, a matrix of shape [rows, cols] or whole rows of a larger
// one: codes, one byte an element, and scales, [rows, groups of a row] of the
// scheme's type. An error means a scheme or lengths that do not fit. Rows that
// can't be stored are no error: their codes and scales are 0, and the Tally says
// where their NaN, Inf or overflow is; nothing else does.
func Quantize(codes, scales []byte, x []float32, rows, cols int, s Scheme) (Tally, error) {
	return quantize(codes, scales, x, rows, cols, s, fastest)
}

func quantize(codes, scales []byte, x []float32, rows, cols int, s Scheme, k kernel) (Tally, error) {
	if err := s.check(len(codes), len(scales), len(x), rows, cols); err != nil {
		return Tally{}, err
	}
	if len(x) == 0 {
		return Tally{rows: int64(rows)}, nil
	}
	t, e := Tally{}, newEncoder(cols, s, k)
	scaleBytes := len(scales) / rows
	for r := range rows {
		x, codes, scales := x[r*cols:(r+1)*cols], codes[r*cols:(r+1)*cols], scales[r*scaleBytes:(r+1)*scaleBytes]
		if e.encodeRow(codes, x) {
			s.encodeScales(scales, e.scales)
			t.addRow(e, cols)
		} else {
			clear(codes)
			clear(scales)
			t.addBadRow(x, s)
		}
	}
	t.locate(x, codes, scales, cols, s)
	return t, nil
}

// encoder encodes one row after the other. Its scales, sums and error are those
// of the row before.
type encoder struct {
	Scheme
	kernel
	width              int // of a group
	peaks              []uint32
	scales             []float32 // as stored
	divisors           []float32 // the same, but for 1 in place of 0
	sums               sums
	errorSquares       float64  // Σd²
	absMaxErrorSquares float64  // the same without clipping
	clipper            *clipper // nil under AbsMax
}

func newEncoder(cols int, s Scheme, k kernel) *encoder {
	groups := s.ScalesPerRow(cols)
	e := &encoder{
		Scheme:   s,
		kernel:   k,
		width:    s.Width(cols),
		peaks:    make([]uint32, groups),
		scales:   make([]float32, groups),
		divisors: make([]float32, groups),
	}
	if s.Clip == MSE {
		e.clipper = newClipper(cols, groups)
	}
	return e
}

// encodeRow writes the codes of a row, unless it can't be stored.
func (e *encoder) encodeRow(codes []byte, x []float32) bool {
	e.kernel.peaks(e.peaks, x, e.width)
	for g, peak := range e.peaks {
		scale, ok := e.scaleFor(math.Float32frombits(peak))
		if !ok {
			return false
		}
		e.scales[g], e.divisors[g] = scale, scale
		if scale == 0 {
			e.divisors[g] = 1
		}
	}
	e.sums = emptySums()
	e.encode(codes, x, e.divisors, e.width, &e.sums)
	e.errorSquares = fold(e.sums.errors)
	e.absMaxErrorSquares = e.errorSquares
	if e.clipper != nil {
		e.clip(codes, x)
	}
	return true
}

// fold adds lanes by halves.
func fold(v [lanes]float64) float64 {
	for half := lanes / 2; half > 0; half /= 2 {
		for l := range half {
			v[l] += v[l+half]
		}
	}
	return v[0]
}
