package int8

import "math"

const (
	trials = 4 // scales that are tried at once

	// Scales are tried in units of 1/512 of the one that clips nothing: first in
	// coarse steps, then in single units around the best.
	units      = 512
	coarseStep = units / 64

	// leastSearched is the least scale for which smaller ones are tried: below,
	// their reciprocals leave the range of float32.
	leastSearched = 0x1p-100
)

// clipper is what an encoder needs in order to compare scales.
type clipper struct {
	codes  []byte
	scales []float32
}

func newClipper(cols, groups int) *clipper {
	return &clipper{make([]byte, cols), make([]float32, groups)}
}

// clip replaces the codes, scales and sums of a row with those of smaller scales
// where they have less error, of the group and of the row.
func (e *encoder) clip(codes []byte, x []float32) {
	c, found := e.clipper, false
	for g, scale := range e.divisors {
		group := x[g*e.width : min((g+1)*e.width, len(x))]
		c.scales[g] = scale
		if smaller := e.search(group, scale); smaller < scale && e.groupError(group, smaller) < e.groupError(group, scale) {
			c.scales[g], found = smaller, true
		}
	}
	if !found {
		return
	}
	clipped := emptySums()
	e.encode(c.codes, x, c.scales, e.width, &clipped)
	if err := fold(clipped.errors); err < e.errorSquares {
		copy(codes, c.codes)
		e.sums, e.errorSquares = clipped, err
		e.take(c.scales)
	}
}

// take makes divisors the scales of a row.
func (e *encoder) take(divisors []float32) {
	for g, scale := range divisors {
		if e.scales[g] != 0 {
			e.scales[g] = scale
		}
	}
}

// groupError returns Σd² over a group that is encoded with that scale.
func (e *encoder) groupError(x []float32, scale float32) float64 {
	sums := emptySums()
	e.encode(e.clipper.codes[:len(x)], x, []float32{scale}, len(x), &sums)
	return fold(sums.errors)
}

// search is the search for the scale of a group.
type search struct {
	x            []float32
	widest       float32 // the scale that clips nothing
	best         float32
	factor       int     // of best, in units of widest
	errorSquares float64 // of best, about Σ(x − q·s)²
}

// search returns the scale with the least error of those that it tries: widest ×
// 63/64, 62/64, … 1/64 until no smaller one can be better, and then widest × 1/512
// times the 16 numbers around the best, each rounded to the type of the scales.
func (e *encoder) search(x []float32, widest float32) float32 {
	if widest < leastSearched {
		return widest
	}
	s := search{x: x, widest: widest, best: widest, factor: units, errorSquares: math.Inf(1)}
	for from := units; from > 0 && !e.try(&s, from, coarseStep); {
		from -= trials * coarseStep
	}
	center := s.factor
	if center < units {
		e.try(&s, center+8, 1)
		e.try(&s, center+4, 1)
	}
	if !e.try(&s, center-1, 1) {
		e.try(&s, center-5, 1)
	}
	return s.best
}

// try tries the factors from, from − step, … and is true if none below can be
// better: an element that is not clipped errs by s/2 at most, so that what is
// beyond this is the error of the clipped ones, which smaller scales increase.
func (e *encoder) try(s *search, from, step int) bool {
	var scales, inverses [trials]float32
	for t := range trials {
		scales[t] = s.widest
		if f := from - t*step; f > 0 && f < units {
			scales[t] = e.narrowed(s.widest, f)
		}
		inverses[t] = 1 / scales[t]
	}
	var squares, err float64
	for t, sum := range e.trial(s.x, &inverses) {
		squares = float64(scales[t]) * float64(scales[t]) // exact
		err = squares * float64(sum)
		if err < s.errorSquares {
			s.best, s.factor, s.errorSquares = scales[t], from-t*step, err
		}
	}
	return err-float64(squares*float64(len(s.x)))/4 > s.errorSquares
}

// narrowed returns widest·factor/units as a scale, or widest where that is none.
func (s Scheme) narrowed(widest float32, factor int) float32 {
	if scale := s.round(widest * (float32(factor) / units)); scale > 0 {
		return scale
	}
	return widest
}
