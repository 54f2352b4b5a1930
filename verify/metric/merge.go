package metric

import "math"

// merge adds the part that follows in the tensor.
func (acc *accumulator) merge(next *accumulator) {
	acc.at = next.at
	acc.sums.add(next.sums)
	acc.ulps.merge(&next.ulps)
	acc.sizes.merge(&next.sizes)
	acc.cols.merge(&next.cols)
	s, t := &acc.sum, next.sum
	s.N, s.Finite = s.N+t.N, s.Finite+t.Finite
	s.MaxRef = max(s.MaxRef, t.MaxRef)
	s.MaxAbs = s.MaxAbs.or(t.MaxAbs)
	s.Differing += t.Differing
	s.Small, s.SmallMax = s.Small+t.Small, max(s.SmallMax, t.SmallMax)
	s.Outside.merge(t.Outside)
	s.Mask.merge(t.Mask)
}

// or returns the larger of two extremes, of equal ones the first.
func (x Extreme) or(later Extreme) Extreme {
	if x.At < 0 || later.At >= 0 && later.Value > x.Value {
		return later
	}
	return x
}

func (o *Outside) merge(p Outside) {
	o.Count += p.Count
	o.Used = o.Used.or(p.Used)
	o.LeastAtol, o.LeastRtol = max(o.LeastAtol, p.LeastAtol), max(o.LeastRtol, p.LeastRtol)
}

func (m *Mask) merge(n Mask) {
	m.GotNaN, m.WantNaN, m.GotInf, m.WantInf = m.GotNaN+n.GotNaN, m.WantNaN+n.WantNaN, m.GotInf+n.GotInf, m.WantInf+n.WantInf
	m.Mismatch += n.Mismatch
	if m.First < 0 {
		m.First = n.First
	}
}

// summary returns the figures of everything added so far.
func (acc *accumulator) summary() Summary {
	s := acc.sum
	n := math.Max(float64(s.Finite), 1)
	norm := math.Sqrt(acc.sums.ref2)
	s.RMS = norm / math.Sqrt(n)
	s.RelL2 = math.Sqrt(acc.sums.err2) / math.Max(norm, tiny*math.Sqrt(n))
	s.Bias = acc.sums.diff / n / math.Max(s.RMS, tiny)
	s.Cosine = cosine(acc.sums.dot, acc.sums.got2, acc.sums.ref2)
	acc.ulps.zeros(s.Finite - s.Small - acc.ulps.total)
	s.ULP = ULP{
		N: acc.ulps.total, Max: acc.ulps.max,
		P50: acc.ulps.percentile(0.5), P99: acc.ulps.percentile(0.99), P999: acc.ulps.percentile(0.999),
		Over0: acc.ulps.over(0), Over1: acc.ulps.over(1), Over2: acc.ulps.over(2), Over4: acc.ulps.over(4),
	}
	s.Profile = Profile{acc.ulps.classes(), acc.sizes.list()}
	s.Column = acc.cols.worst(s.N)
	return s
}

// tiny is the smallest normal float32: the ε of the relative figures.
const tiny = 0x1p-126

func cosine(dot, got2, ref2 float64) float64 {
	switch {
	case got2 == 0 && ref2 == 0:
		return 1
	case got2 == 0 || ref2 == 0:
		return 0
	}
	return dot / math.Sqrt(got2) / math.Sqrt(ref2)
}
