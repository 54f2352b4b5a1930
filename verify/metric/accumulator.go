package metric

import (
	"math"

	"colakit/formats/dtype"
)

// accumulator takes two tensors, or a part of them, piece by piece in row-major
// order. Equal elements cost little: what is counted for them is what is left when
// those that differ and those in the small-value domain are counted.
type accumulator struct {
	o     Options
	small float64 // bound of the small-value domain
	at    int64   // of the next element
	col   int     // its column
	sum   Summary

	sums  sums
	ulps  histogram
	sizes magnitudes
	cols  []column
}

// sums are those that cosine, rel-L2 and bias are made of.
type sums struct{ err2, ref2, got2, dot, diff float64 } // Σ(a−e)², Σe², Σa², Σa·e, Σ(a−e)

func (s *sums) add(t sums) {
	s.err2 += t.err2
	s.ref2 += t.ref2
	s.got2 += t.got2
	s.dot += t.dot
	s.diff += t.diff
}

type column struct {
	diff, err2             float64 // Σ(a−e), Σ(a−e)²
	broken, small, distant int64   // not finite on either side; in the small-value domain; outside it and off by more than 1 ULP
}

// newAccumulator begins at an element; columns is the length of the last axis.
func newAccumulator(columns int, at int64, o Options) *accumulator {
	acc := &accumulator{o: o, small: SmallValue(o.Unit), at: at, col: int(at % int64(columns)), cols: make([]column, columns)}
	acc.sum.MaxAbs.At, acc.sum.Outside.Used.At, acc.sum.Mask.First = -1, -1, -1
	acc.sum.SmallBelow = acc.small
	return acc
}

// add takes the next elements of both sides; the slices have equal lengths and may
// be the same.
func (acc *accumulator) add(got, want []float64) {
	if len(want) == 0 {
		return
	}
	s, ok := sumsOf(got, want)
	if !ok {
		acc.addBroken(got, want)
		return
	}
	acc.sums.add(s)
	acc.sum.N += int64(len(want))
	acc.sum.Finite += int64(len(want))
	if acc.sum.MaxAbs.At < 0 {
		acc.sum.MaxAbs = Extreme{math.Abs(got[0] - want[0]), acc.at, got[0], want[0]}
	}
	acc.elements(got, want)
}

// sumsOf returns the sums over some elements; ok is false where one of them is
// not finite, or so large that its square is not.
func sumsOf(got, want []float64) (s sums, ok bool) {
	got = got[:len(want)]
	for i, e := range want {
		a := got[i]
		d := a - e
		s.err2 += d * d
		s.ref2 += e * e
		s.got2 += a * a
		s.dot += a * e
		s.diff += d
	}
	return s, finite(s.ref2 + s.got2 + s.err2)
}

// elements looks at finite elements one by one.
func (acc *accumulator) elements(got, want []float64) {
	got = got[:len(want)]
	col, cols, small, top := acc.col, acc.cols, acc.small, acc.sum.MaxRef
	for i, e := range want {
		ref := math.Abs(e)
		if ref > top {
			top = ref
		}
		size := acc.sizes.of(ref)
		size.n++
		if a := got[i]; a != e {
			size.add(math.Abs(a - e))
			acc.differing(&cols[col], a, e, ref, acc.at+int64(i))
		}
		if ref < small {
			acc.sum.Small++
			cols[col].small++
		}
		if col++; col == len(cols) {
			col = 0
		}
	}
	acc.sum.MaxRef, acc.col = top, col
	acc.at += int64(len(want))
}

// differing looks at an element that is not equal.
func (acc *accumulator) differing(col *column, a, e, ref float64, at int64) {
	d := a - e
	abs := math.Abs(d)
	col.diff += d
	col.err2 += d * d
	s := &acc.sum
	if abs > s.MaxAbs.Value {
		s.MaxAbs = Extreme{abs, at, a, e}
	}
	acc.outside(a, e, abs, ref, at)
	distance := acc.distance(a, e)
	if distance > 0 {
		s.Differing++
	}
	switch {
	case ref < acc.small:
		if abs > s.SmallMax {
			s.SmallMax = abs
		}
	case distance > 0:
		acc.ulps.add(distance)
		if distance > 1 {
			col.distant++
		}
	}
}

// distance is Distance in the unit; for those that most values have, without
// branches.
func (acc *accumulator) distance(a, e float64) int64 {
	switch acc.o.Unit {
	case dtype.F32:
		return magnitude(ordinal32(float32(a)) - ordinal32(float32(e)))
	case dtype.BF16:
		return magnitude(ordinalBF16(a) - ordinalBF16(e))
	}
	return Distance(a, e, acc.o.Unit)
}

// outside holds an element against the band. Quotients are taken only where a
// product says that they are new extremes.
func (acc *accumulator) outside(a, e, abs, ref float64, at int64) {
	o, b := &acc.sum.Outside, acc.o.Band
	allowed := b.Atol + b.Rtol*ref
	if !(abs <= allowed) {
		o.Count++
	}
	if o.Used.At < 0 || abs > o.Used.Value*allowed && !math.IsInf(o.Used.Value, 1) {
		used := math.Inf(1)
		if allowed > 0 {
			used = abs / allowed
		}
		o.Used = Extreme{used, at, a, e}
	}
	if least := abs - b.Rtol*ref; least > o.LeastAtol {
		o.LeastAtol = least
	}
	if over := abs - b.Atol; over > o.LeastRtol*ref && over > 0 {
		o.LeastRtol = max(o.LeastRtol, over/max(ref, math.SmallestNonzeroFloat64))
	}
}

// addBroken is add where some elements are not finite.
func (acc *accumulator) addBroken(got, want []float64) {
	for i := range want {
		if a, e := got[i], want[i]; !finite(a) || !finite(e) {
			acc.nonFinite(a, e)
			continue
		}
		s, _ := sumsOf(got[i:i+1], want[i:i+1])
		acc.sums.add(s)
		acc.sum.N++
		acc.sum.Finite++
		if acc.sum.MaxAbs.At < 0 {
			acc.sum.MaxAbs = Extreme{math.Abs(got[i] - want[i]), acc.at, got[i], want[i]}
		}
		acc.elements(got[i:i+1], want[i:i+1])
	}
}

// nonFinite looks at an element that is NaN or infinite on one side or both.
func (acc *accumulator) nonFinite(a, e float64) {
	m := &acc.sum.Mask
	m.count(a, &m.GotNaN, &m.GotInf)
	m.count(e, &m.WantNaN, &m.WantInf)
	if same := a == e || math.IsNaN(a) && math.IsNaN(e); !same {
		m.Mismatch++
		if m.First < 0 {
			m.First = acc.at
		}
		acc.sum.Differing++
	}
	acc.sum.N++
	acc.cols[acc.col].broken++
	acc.at++
	if acc.col++; acc.col == len(acc.cols) {
		acc.col = 0
	}
}

func (m *Mask) count(v float64, nan, inf *int64) {
	switch {
	case math.IsNaN(v):
		*nan++
	case math.IsInf(v, 0):
		*inf++
	}
}

func finite(v float64) bool { return v-v == 0 }
