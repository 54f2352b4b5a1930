package quantize

import "math"

// measure32 is measure for float32, several elements at a time; it gives the same
// bits.
func measure32(t *Tally, x, y []float32, first int64, limit float64) {
	whole := len(x) &^ (lanes - 1)
	source := addSquares(t.laneSquares, x[:whole])
	if first%lanes != 0 || float64(math.Float32frombits(source.magnitude)) > limit || source.magnitude >= 0x7f80_0000 {
		measure(t, x, y, first, limit) // where something can't be stored
		return
	}
	t.laneSquares = source.squares
	t.largest = max(t.largest, float64(math.Float32frombits(source.magnitude)))
	t.elements += int64(whole)
	if whole > 0 && &x[0] != &y[0] {
		t.addErrors(x[:whole], y[:whole], first)
	}
	measure(t, x[whole:], y[whole:], first+int64(whole), limit)
}

// sourceSums are what is added up over the elements of a source.
type sourceSums struct {
	squares   [lanes]float64
	magnitude uint32 // bits of the largest |x|; those of NaN are beyond Inf's
}

// addSquares returns sums with those of x added, whole steps of lanes.
func addSquares(sums [lanes]float64, x []float32) sourceSums {
	s0, s1, s2, s3, s4, s5, s6, s7 := sums[0], sums[1], sums[2], sums[3], sums[4], sums[5], sums[6], sums[7]
	var peak uint32
	for ; len(x) >= lanes; x = x[lanes:] {
		v := (*[lanes]float32)(x)
		s0 += square(v[0])
		s1 += square(v[1])
		s2 += square(v[2])
		s3 += square(v[3])
		s4 += square(v[4])
		s5 += square(v[5])
		s6 += square(v[6])
		s7 += square(v[7])
		for _, e := range v {
			peak = max(peak, math.Float32bits(e)&^(1<<31))
		}
	}
	return sourceSums{[lanes]float64{s0, s1, s2, s3, s4, s5, s6, s7}, peak}
}

func square(x float32) float64 { return float64(float64(x) * float64(x)) }

// addErrors adds the errors of elements that are finite, whole steps of lanes.
func (t *Tally) addErrors(x, y []float32, first int64) {
	e := &t.laneErrors
	for len(x) >= lanes {
		a, b := (*[lanes]float32)(x), (*[lanes]float32)(y)
		peak := uint64(0)
		for k := range lanes {
			d := float64(b[k]) - float64(a[k])
			e[k] += float64(d * d)
			peak = max(peak, math.Float64bits(d)&^(1<<63))
			if b[k] == 0 && a[k] != 0 {
				t.underflow++
			}
		}
		if d := math.Float64frombits(peak); d > t.maxAbs {
			t.maxAbs = d
			t.maxAbsIndex = first + firstWith(a, b, d)
		}
		x, y, first = x[lanes:], y[lanes:], first+lanes
	}
}

// firstWith returns the first of the elements whose error is d.
func firstWith(x, y *[lanes]float32, d float64) int64 {
	for k := range lanes {
		if math.Abs(float64(y[k])-float64(x[k])) == d {
			return int64(k)
		}
	}
	return 0
}
