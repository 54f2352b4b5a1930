package metric

import "math"

// accumulator takes two tensors, or a part of them, piece by piece in row-major
// order. Equal elements cost little: what is counted for them is what is left when
// those that differ and those in the small-value domain are counted.
type accumulator struct {
	o     Options
	small float64 // bound of the small-value domain
	at    int64   // of the next element
	sum   Summary

	sums  sums
	ulps  histogram
	sizes magnitudes
	cols  columns

	// Of the elements at hand: a−e, the class of |e|, and the distance.
	diffs     [chunk]float64
	classes   [chunk]uint32
	distances [chunk]uint32
}

// sums are those that cosine, rel-L2 and bias are made of.
type sums struct {
	err2, ref2, got2, dot, diff float64 // Σ(a−e)², Σe², Σa², Σa·e, Σ(a−e)
}

func (s *sums) add(t sums) {
	s.err2 += t.err2
	s.ref2 += t.ref2
	s.got2 += t.got2
	s.dot += t.dot
	s.diff += t.diff
}

// newAccumulator begins at an element of a tensor of n; columns is the length of
// the last axis.
func newAccumulator(n, columns int, at int64, o Options) *accumulator {
	acc := &accumulator{o: o, small: SmallValue(o.Unit), at: at, cols: newColumns(n, columns)}
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
	s, differing := acc.sumUp(got, want)
	if !finite(s.ref2 + s.got2 + s.err2) { // one of them is not, or its square is not
		acc.addBroken(got, want)
		return
	}
	acc.addFinite(got, want, s, differing)
}

// sumUp fills the differences, if there are any, and counts them.
func (acc *accumulator) sumUp(got, want []float64) (s sums, differing int) {
	if &got[0] == &want[0] {
		var own perLane
		squares(want, &own)
		s.ref2 = own.sum()
		s.dot, s.got2 = s.ref2, s.ref2
		return s, 0
	}
	var both [pairSums]perLane
	differing = subtract(got, want, acc.diffs[:], &both)
	return sums{both[sumErr2].sum(), both[sumRef2].sum(), both[sumGot2].sum(), both[sumDot].sum(), both[sumDiff].sum()}, differing
}

// addFinite is add for finite elements and their sums.
func (acc *accumulator) addFinite(got, want []float64, s sums, differing int) {
	acc.sums.add(s)
	acc.sum.N += int64(len(want))
	acc.sum.Finite += int64(len(want))
	if acc.sum.MaxAbs.At < 0 {
		acc.sum.MaxAbs = Extreme{math.Abs(got[0] - want[0]), acc.at, got[0], want[0]}
	}
	acc.weigh(want)
	acc.compare(got, want, differing)
	acc.at += int64(len(want))
}

// weigh sorts elements by the magnitude of the reference.
func (acc *accumulator) weigh(want []float64) {
	var top perLane
	classes := acc.classes[:len(want)]
	small := classify(want, acc.small, classes, &top)
	largest := top.max()
	acc.sum.MaxRef = max(acc.sum.MaxRef, largest)
	acc.sizes.count(classes, classOf(magnitudeBits(largest)))
	if small == 0 {
		return
	}
	acc.sum.Small += int64(small)
	acc.cols.each(acc.at, len(want), func(from, slot, n int) {
		for i, e := range want[from : from+n] {
			if math.Abs(e) < acc.small {
				acc.cols.small[slot+i]++
			}
		}
	})
}

// fewDiffer is the share of elements, one in so many, up to which those that differ
// are looked at one by one.
const fewDiffer = 16

// compare looks at the elements that differ.
func (acc *accumulator) compare(got, want []float64, differing int) {
	if differing == 0 {
		return
	}
	from := 0
	if differing > len(want)/fewDiffer {
		from = acc.compareGroups(got, want, differing)
	}
	acc.compareEach(got, want, from)
}

// compareEach compares the elements from one on.
func (acc *accumulator) compareEach(got, want []float64, from int) {
	for i, d := range acc.diffs[:len(want)] {
		if d != 0 && i >= from {
			acc.compareOne(i, got[i], want[i], d)
		}
	}
}

// compareOne compares the i-th element at hand.
func (acc *accumulator) compareOne(i int, a, e, d float64) {
	cols, slot, at := &acc.cols, acc.cols.slot(acc.at+int64(i)), acc.at+int64(i)
	abs, ref := math.Abs(d), math.Abs(e)
	cols.diff[slot] += d
	cols.err2[slot] += float64(d * d)
	acc.sizes.addError(acc.classes[i], i%lanes, d)
	if abs > acc.sum.MaxAbs.Value {
		acc.sum.MaxAbs = Extreme{abs, at, a, e}
	}
	acc.outside(a, e, abs, ref, at)
	distance := Distance(a, e, acc.o.Unit)
	acc.sum.Differing += min(distance, 1)
	if ref < acc.small {
		acc.sum.SmallMax = max(acc.sum.SmallMax, abs)
		return
	}
	acc.ulps.add(distance)
	if distance > 1 {
		cols.distant[slot]++
	}
}

// outside holds an element against the band.
func (acc *accumulator) outside(a, e, abs, ref float64, at int64) {
	if b := acc.o.Band; !(abs <= b.Atol+float64(b.Rtol*ref)) {
		acc.sum.Outside.Count++
	}
	acc.sum.Outside.record(acc.o.Band, a, e, abs, ref, at)
}

// record keeps the extremes. Quotients are taken only where a product says that
// they are new ones.
func (o *Outside) record(b Band, a, e, abs, ref float64, at int64) {
	band := float64(b.Rtol * ref)
	allowed := b.Atol + band
	if o.Used.At < 0 || abs > o.Used.Value*allowed {
		used := math.Inf(1)
		if allowed > 0 {
			used = abs / allowed
		}
		o.Used = Extreme{used, at, a, e}
	}
	if least := abs - band; least > o.LeastAtol {
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
		s, differing := acc.sumUp(got[i:i+1], want[i:i+1])
		acc.addFinite(got[i:i+1], want[i:i+1], s, differing)
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
	acc.cols.broken[acc.cols.slot(acc.at)]++
	acc.at++
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
