package quantize

import (
	"math"
	"slices"
)

// kernel is one implementation of the loop over many elements that are measured.
// All give the same bits.
type kernel string

// plain is in Go.
const plain kernel = "plain"

// fastest is the kernel in use.
var fastest = kernels()[0]

// measure32 is measure for float32, several elements at a time; it gives the same
// bits.
func measure32(t *Tally, x, y []float32, first int64, limit float64) {
	head := min(int(-first&(lanes-1)), len(x)) // up to the first lane
	whole := (len(x) - head) &^ (lanes - 1)
	if head > 0 {
		measure(t, x[:head], y[:head], first, limit)
		x, y, first = x[head:], y[head:], first+int64(head)
	}
	if whole > 0 {
		t.addSteps(x[:whole], y[:whole], first, limit)
	}
	if whole < len(x) {
		measure(t, x[whole:], y[whole:], first+int64(whole), limit)
	}
}

// addSteps adds whole steps of lanes, the first element being that of lane 0.
func (t *Tally) addSteps(x, y []float32, first int64, limit float64) {
	d := differences{squares: t.laneSquares, errors: t.laneErrors}
	d.add(x, y)
	largest := float64(math.Float32frombits(slices.Max(d.peaks[:])))
	if !(largest <= min(limit, math.MaxFloat32)) {
		measure(t, x, y, first, limit) // where something can't be stored
		return
	}
	t.laneSquares, t.laneErrors = d.squares, d.errors
	t.largest = max(t.largest, largest)
	t.elements += int64(len(x))
	t.underflow += d.underflow
	if worst := slices.Max(d.worst[:]); worst > t.maxAbs {
		t.maxAbs = worst
		t.maxAbsIndex = first + firstWith(x, y, worst)
	}
}

// differences are what is added up over elements of a source and as stored. They
// mean nothing if one of the source is not finite.
type differences struct {
	squares, errors [lanes]float64
	worst           [lanes]float64 // the largest |error|
	peaks           [lanes]uint32  // bits of the largest |x|; those of NaN are beyond Inf's
	underflow       int64
}

// plainAdd is add in plain Go.
func (d *differences) plainAdd(x, y []float32) {
	d.addSquares(x)
	d.addErrors(x, y)
}

func (d *differences) addSquares(x []float32) {
	s0, s1, s2, s3 := d.squares[0], d.squares[1], d.squares[2], d.squares[3]
	s4, s5, s6, s7 := d.squares[4], d.squares[5], d.squares[6], d.squares[7]
	peak := d.peaks[0]
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
	d.squares, d.peaks[0] = [lanes]float64{s0, s1, s2, s3, s4, s5, s6, s7}, peak
}

func square(x float32) float64 { return float64(float64(x) * float64(x)) }

func (d *differences) addErrors(x, y []float32) {
	peak := math.Float64bits(d.worst[0])
	for len(x) >= lanes {
		a, b := (*[lanes]float32)(x), (*[lanes]float32)(y)
		for k := range lanes {
			e := float64(b[k]) - float64(a[k])
			d.errors[k] += float64(e * e)
			peak = max(peak, math.Float64bits(e)&^(1<<63))
			if b[k] == 0 && a[k] != 0 {
				d.underflow++
			}
		}
		x, y = x[lanes:], y[lanes:]
	}
	d.worst[0] = math.Float64frombits(peak)
}

// firstWith returns the first of the elements whose error is d.
func firstWith(x, y []float32, d float64) int64 {
	for i, v := range x {
		if math.Abs(float64(y[i])-float64(v)) == d {
			return int64(i)
		}
	}
	return 0
}
