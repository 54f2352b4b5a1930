package int8

import "math"

// lanes is the number of partial sums of a row: element i belongs to lane i mod 8.
const lanes = 8

// sums are what is added up while a row is encoded.
type sums struct {
	squares, errors  [lanes]float64 // Σx², Σd²
	worst, low, high [lanes]float32 // max |d|, min x, max x; signs of zeros are not defined
	clipped, zeros   int64          // elements with |x/s| ≥ 127.5, with code 0
}

func emptySums() (s sums) {
	for l := range lanes {
		s.low[l], s.high[l] = float32(math.Inf(1)), float32(math.Inf(-1))
	}
	return s
}

// plain is the kernel in plain Go: the definition.
var plain = kernel{"plain", plainPeaks, plainEncode, plainTrial, plainDecode}

// plainPeaks sets dst to the bits of the largest magnitude of every group. Those
// of an infinity are larger than a number's, those of NaN larger still.
func plainPeaks(dst []uint32, x []float32, width int) {
	for g := range dst {
		peak := uint32(0)
		for _, v := range x[g*width : min((g+1)*width, len(x))] {
			peak = max(peak, math.Float32bits(v)&^(1<<31))
		}
		dst[g] = peak
	}
}

// plainEncode writes the codes of x, groups of width elements with the scales
// given (1 for groups of zeros), and adds to s, the first element in lane 0.
func plainEncode(codes []byte, x, scales []float32, width int, s *sums) {
	for g, scale := range scales {
		for i := g * width; i < min((g+1)*width, len(x)); i++ {
			quotient := x[i] / scale
			q := float32(math.RoundToEven(float64(min(max(quotient, -maxCode), maxCode))))
			codes[i] = byte(int8(q))
			d := x[i] - float32(q*scale)

			lane, v := i%lanes, float64(x[i])
			s.squares[lane] += v * v
			s.errors[lane] += float64(d) * float64(d)
			s.worst[lane] = max(s.worst[lane], abs(d))
			s.low[lane], s.high[lane] = min(s.low[lane], x[i]), max(s.high[lane], x[i])
			if abs(quotient) >= beyond {
				s.clipped++
			}
			if q == 0 {
				s.zeros++
			}
		}
	}
}

// plainTrial returns what the search for a scale s goes by, Σ(x/s − q)² for each
// of several 1/s, in float32. The elements of whole steps of 16 are added in as
// many lanes and these by halves; the rest is added one after the other.
func plainTrial(x []float32, inverses *[trials]float32) (sums [trials]float32) {
	whole := len(x) &^ (step - 1)
	for t, inverse := range inverses {
		var lane [step]float32
		for i, v := range x[:whole] {
			lane[i%step] += excess(float32(v * inverse))
		}
		for half := step / 2; half > 0; half /= 2 {
			for l := range half {
				lane[l] += lane[l+half]
			}
		}
		sums[t] = lane[0]
	}
	addTrials(&sums, x[whole:], inverses)
	return sums
}

func addTrials(sums *[trials]float32, x []float32, inverses *[trials]float32) {
	for t, inverse := range inverses {
		for _, v := range x {
			sums[t] += excess(float32(v * inverse))
		}
	}
}

// excess returns the square of what a quotient loses by becoming a code.
func excess(r float32) float32 {
	e := r - float32(math.RoundToEven(float64(min(max(r, -maxCode), maxCode))))
	return float32(e * e)
}

// plainDecode sets dst to the values of codes in groups of width elements.
func plainDecode(dst []float32, codes []byte, scales []float32, width int) {
	for g, scale := range scales {
		for i := g * width; i < min((g+1)*width, len(codes)); i++ {
			dst[i] = float32(int8(codes[i])) * scale
		}
	}
}

func abs(x float32) float32 { return math.Float32frombits(math.Float32bits(x) &^ (1 << 31)) }
