package metric

import (
	"context"
	"fmt"
	"math"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
)

// Band is the tolerance of a single element: |a−e| ≤ Atol + Rtol·|e|.
type Band struct {
	Atol float64 `json:"atol"`
	Rtol float64 `json:"rtol"`
}

// Options say how to compare.
type Options struct {
	Band Band
	// Unit is the type that distances are counted in; Invalid: the reference's.
	Unit dtype.Type
}

// chunk is the number of elements decoded at a time.
const chunk = 4096

// Compare measures got against want. Shapes must be equal; the types may be any
// two floating-point types.
func Compare(ctx context.Context, got, want tensor.View, o Options) (Summary, error) {
	if !got.Shape.Equal(want.Shape) {
		return Summary{}, fmt.Errorf("%s: shape %v, want %v", want.Name, got.Shape, want.Shape)
	}
	for _, v := range []tensor.View{got, want} {
		if size, err := v.Bytes(); err != nil {
			return Summary{}, err
		} else if size != int64(len(v.Data)) || !v.Type.Float() {
			return Summary{}, fmt.Errorf("%s: %d bytes of %v do not hold shape %v", v.Name, len(v.Data), v.Type, v.Shape)
		}
	}
	if o.Unit == dtype.Invalid {
		o.Unit = want.Type
	}
	acc := NewAccumulator(columns(want.Shape), o)
	var a, e [chunk]float64
	n := len(want.Data) / want.Type.Size()
	for at := 0; at < n; at += chunk {
		if err := ctx.Err(); err != nil {
			return Summary{}, err
		}
		m := min(chunk, n-at)
		if err := decode(a[:m], got, at); err != nil {
			return Summary{}, err
		}
		if err := decode(e[:m], want, at); err != nil {
			return Summary{}, err
		}
		acc.Add(a[:m], e[:m])
	}
	return acc.Summary(), nil
}

func decode(dst []float64, v tensor.View, at int) error {
	size := v.Type.Size()
	return dtype.Float64s(dst, v.Data[at*size:(at+len(dst))*size], v.Type)
}

func columns(s tensor.Shape) int {
	if len(s) == 0 {
		return 1
	}
	return s[len(s)-1]
}

// Accumulator takes two tensors piece by piece, in row-major order.
type Accumulator struct {
	o     Options
	small float64
	sum   Summary

	err2, ref2, got2, dot, diff float64 // Σ(a−e)², Σe², Σa², Σa·e, Σ(a−e)
	ulps                        histogram
	sizes                       magnitudes
	cols                        []column
}

type column struct {
	n, diff, err2  float64 // elements, Σ(a−e), Σ(a−e)²
	measured, over int64   // outside the small-value domain; of those, by more than 1 ULP
}

// NewAccumulator begins a comparison; columns is the length of the last axis.
func NewAccumulator(columns int, o Options) *Accumulator {
	acc := &Accumulator{o: o, small: SmallValue(o.Unit), cols: make([]column, max(columns, 1))}
	acc.sum.MaxAbs.At, acc.sum.Outside.Used.At, acc.sum.Mask.First = -1, -1, -1
	return acc
}

// Add takes the next elements of both sides; the slices have equal lengths.
func (acc *Accumulator) Add(got, want []float64) {
	for i, e := range want {
		a, at := got[i], acc.sum.N
		acc.sum.N++
		if finite(a) && finite(e) {
			acc.element(a, e, at)
		} else {
			acc.nonFinite(a, e, at)
		}
	}
}

func (acc *Accumulator) element(a, e float64, at int64) {
	s, d := &acc.sum, a-e
	abs, ref := math.Abs(d), math.Abs(e)
	s.Finite++
	acc.err2 += d * d
	acc.ref2 += e * e
	acc.got2 += a * a
	acc.dot += a * e
	acc.diff += d
	s.MaxRef = max(s.MaxRef, ref)
	acc.sizes.add(ref, abs)
	if abs > s.MaxAbs.Value || s.MaxAbs.At < 0 {
		s.MaxAbs = Extreme{abs, at, a, e}
	}
	col := &acc.cols[at%int64(len(acc.cols))]
	col.n++
	col.diff += d
	col.err2 += d * d
	distance := int64(0)
	if d != 0 {
		acc.outside(a, e, abs, ref, at)
		if distance = Distance(a, e, acc.o.Unit); distance > 0 {
			s.Differing++
		}
	}
	if ref < acc.small {
		s.Small++
		s.SmallMax = max(s.SmallMax, abs)
		return
	}
	acc.ulps.add(distance)
	col.measured++
	if distance > 1 {
		col.over++
	}
}

func (acc *Accumulator) outside(a, e, abs, ref float64, at int64) {
	o, b := &acc.sum.Outside, acc.o.Band
	allowed := b.Atol + b.Rtol*ref
	if !(abs <= allowed) {
		o.Count++
	}
	used := math.Inf(1)
	if allowed > 0 {
		used = abs / allowed
	}
	if used > o.Used.Value || o.Used.At < 0 {
		o.Used = Extreme{used, at, a, e}
	}
	o.LeastAtol = max(o.LeastAtol, abs-b.Rtol*ref)
	if abs > b.Atol {
		o.LeastRtol = max(o.LeastRtol, (abs-b.Atol)/max(ref, math.SmallestNonzeroFloat64))
	}
}

func (acc *Accumulator) nonFinite(a, e float64, at int64) {
	m := &acc.sum.Mask
	for _, side := range []struct {
		v        float64
		nan, inf *int64
	}{{a, &m.GotNaN, &m.GotInf}, {e, &m.WantNaN, &m.WantInf}} {
		switch {
		case math.IsNaN(side.v):
			*side.nan++
		case math.IsInf(side.v, 0):
			*side.inf++
		}
	}
	same := a == e || math.IsNaN(a) && math.IsNaN(e)
	if !same {
		m.Mismatch++
		if m.First < 0 {
			m.First = at
		}
		acc.sum.Differing++
	}
}

// Summary returns the figures of everything added so far.
func (acc *Accumulator) Summary() Summary {
	s := acc.sum
	n := math.Max(float64(s.Finite), 1)
	norm := math.Sqrt(acc.ref2)
	s.RMS = norm / math.Sqrt(n)
	s.RelL2 = math.Sqrt(acc.err2) / math.Max(norm, tiny*math.Sqrt(n))
	s.Bias = acc.diff / n / math.Max(s.RMS, tiny)
	s.Cosine = cosine(acc.dot, acc.got2, acc.ref2)
	s.ULP = ULP{
		N: acc.ulps.total, Max: acc.ulps.max,
		P50: acc.ulps.percentile(0.5), P99: acc.ulps.percentile(0.99), P999: acc.ulps.percentile(0.999),
		Over0: acc.ulps.over(0), Over1: acc.ulps.over(1), Over2: acc.ulps.over(2), Over4: acc.ulps.over(4),
	}
	s.Column = acc.worstColumn()
	s.Profile = Profile{acc.ulps.classes(), acc.sizes.list()}
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

func (acc *Accumulator) worstColumn() Column {
	worst := Column{Index: -1, SteadyAt: -1}
	for i, c := range acc.cols {
		if share := c.err2 / acc.err2; acc.err2 > 0 && share > worst.Share {
			worst.Index, worst.Share = i, share
			worst.Offset = math.Abs(c.diff) / math.Sqrt(c.n*c.err2)
		}
		if c.measured < steadyRows {
			continue
		}
		if steady := float64(c.over) / float64(c.measured); steady > worst.Steady {
			worst.SteadyAt, worst.Steady = i, steady
		}
	}
	return worst
}

// steadyRows is the least number of elements that make a column's steadiness say
// anything.
const steadyRows = 4

func finite(v float64) bool { return v-v == 0 }
