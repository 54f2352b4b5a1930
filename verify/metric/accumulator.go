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
	diffs [chunk]float64 // a−e of the elements at hand
	ulps  histogram
	sizes magnitudes
	cols  []column
}

// sums are those that cosine, rel-L2 and bias are made of.
type sums struct {
	err2, ref2, got2, dot, diff float64 // Σ(a−e)², Σe², Σa², Σa·e, Σ(a−e)
	differ                      bool    // some a ≠ e
}

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

// add takes the next elements of both sides, at most chunk; the slices have equal
// lengths and may be the same.
func (acc *accumulator) add(got, want []float64) {
	if len(want) == 0 {
		return
	}
	var s sums
	if &got[0] == &want[0] {
		s = sumsOfEqual(want)
	} else {
		s = acc.subtract(got, want)
	}
	if !finite(s.ref2 + s.got2 + s.err2) { // one of them is not, or its square is not
		acc.addBroken(got, want)
		return
	}
	acc.addFinite(got, want, s)
}

// addFinite is add for finite elements and their sums.
func (acc *accumulator) addFinite(got, want []float64, s sums) {
	acc.sums.add(s)
	acc.sum.N += int64(len(want))
	acc.sum.Finite += int64(len(want))
	if acc.sum.MaxAbs.At < 0 {
		acc.sum.MaxAbs = Extreme{math.Abs(got[0] - want[0]), acc.at, got[0], want[0]}
	}
	acc.weigh(want)
	if s.differ {
		acc.compare(got, want)
	}
	acc.at += int64(len(want))
	acc.col = (acc.col + len(want)) % len(acc.cols)
}

// subtract fills the differences and returns the sums.
func (acc *accumulator) subtract(got, want []float64) (s sums) {
	got, diffs := got[:len(want)], acc.diffs[:len(want)]
	any := uint64(0) // bits of all differences
	for i, e := range want {
		a := got[i]
		d := a - e
		diffs[i] = d
		any |= math.Float64bits(d)
		s.err2 += d * d
		s.ref2 += e * e
		s.got2 += a * a
		s.dot += a * e
		s.diff += d
	}
	s.differ = any<<1 != 0
	return s
}

// sumsOfEqual is subtract for two sides that are the same.
func sumsOfEqual(want []float64) (s sums) {
	var r [4]float64
	for ; len(want) >= 4; want = want[4:] {
		r[0] += want[0] * want[0]
		r[1] += want[1] * want[1]
		r[2] += want[2] * want[2]
		r[3] += want[3] * want[3]
	}
	for _, e := range want {
		r[0] += e * e
	}
	s.ref2 = (r[0] + r[1]) + (r[2] + r[3])
	s.dot, s.got2 = s.ref2, s.ref2
	return s
}

// weigh sorts elements by the magnitude of the reference.
func (acc *accumulator) weigh(want []float64) {
	sizes, top, bound := &acc.sizes, uint64(0), math.Float64bits(acc.small)
	for i, e := range want {
		bits := math.Float64bits(e) &^ (1 << 63) // in the order of |e|
		top = max(top, bits)
		sizes.counts[i&1][sizeOf(bits)]++
		if bits < bound {
			acc.sum.Small++
			acc.cols[(acc.col+i)%len(acc.cols)].small++
		}
	}
	acc.sum.MaxRef = max(acc.sum.MaxRef, math.Float64frombits(top))
}

// compare looks at the elements that differ, one by one. What a band of nothing
// allows is known without looking.
func (acc *accumulator) compare(got, want []float64) {
	got, diffs := got[:len(want)], acc.diffs[:len(want)]
	cols, small, unit := acc.cols, acc.small, acc.o.Unit
	col, most, rtol := acc.col-1, acc.sum.MaxAbs.Value, acc.sum.Outside.LeastRtol
	banded, unequal, differing := acc.o.Band != Band{}, int64(0), int64(0)
	for i, d := range diffs {
		if col++; col == len(cols) {
			col = 0
		}
		if d == 0 {
			continue
		}
		a, e, c := got[i], want[i], &cols[col]
		unequal++
		abs, ref, d2 := math.Abs(d), math.Abs(e), d*d
		c.diff += d
		c.err2 += d2
		acc.sizes.add(math.Float64bits(ref), abs, d2)
		if abs > most {
			most = abs
			acc.sum.MaxAbs = Extreme{abs, acc.at + int64(i), a, e}
		}
		switch {
		case banded:
			acc.outside(a, e, abs, ref, acc.at+int64(i))
		case abs > rtol*ref:
			rtol = abs / max(ref, math.SmallestNonzeroFloat64)
			if acc.sum.Outside.Used.At < 0 {
				acc.sum.Outside.Used = Extreme{math.Inf(1), acc.at + int64(i), a, e}
			}
		}
		var distance int64
		switch unit {
		case dtype.F32:
			distance = magnitude(ordinal32(float32(a)) - ordinal32(float32(e)))
		case dtype.BF16:
			distance = magnitude(ordinalBF16(a) - ordinalBF16(e))
		default:
			distance = Distance(a, e, unit)
		}
		differing += min(distance, 1)
		if ref < small {
			acc.sum.SmallMax = max(acc.sum.SmallMax, abs)
			continue
		}
		acc.ulps.add(distance)
		c.distant += min(distance>>1, 1)
	}
	acc.sum.Differing += differing
	if !banded {
		acc.sum.Outside.Count += unequal
		acc.sum.Outside.LeastAtol, acc.sum.Outside.LeastRtol = most, rtol
	}
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
		acc.addFinite(got[i:i+1], want[i:i+1], acc.subtract(got[i:i+1], want[i:i+1]))
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
