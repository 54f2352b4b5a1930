package metric

import (
	"math"
	"math/bits"
	"slices"
)

// Profile says how errors are distributed over the elements of one or more
// tensors: by distance, and by the magnitude of the reference.
type Profile struct {
	// Distances counts elements by their distance in ULP, in classes of powers of
	// two: class 0 holds distance 0, class i distances 2^(i−1) … 2^i−1. Elements in
	// the small-value domain are left out, empty classes at the end, too.
	Distances []int64 `json:"distances"`
	// Magnitudes holds classes of |e|, ascending; empty ones are left out.
	Magnitudes []Magnitude `json:"magnitudes"`
}

// Magnitude sums up the elements with 2^Exponent ≤ |e| < 2^(Exponent+2). The lowest
// class holds all smaller ones, zeros included, the highest all larger ones.
type Magnitude struct {
	Exponent int     `json:"exponent"` // even
	N        int64   `json:"n"`
	RMS      float64 `json:"rms"` // √mean((a−e)²)
	Max      float64 `json:"max"` // largest |a−e|
}

// The classes of magnitudes: 2⁻⁶⁴ to 2⁶⁴, a factor of 4 each.
const (
	leastExponent    = -64
	magnitudeClasses = 64
)

type magnitudeClass struct {
	n    int64
	err2 float64
	max  float64
}

// magnitudes are the running sums of a Profile's classes.
type magnitudes [magnitudeClasses]magnitudeClass

// of returns the class of an |e|.
func (m *magnitudes) of(ref float64) *magnitudeClass {
	exponent := int(math.Float64bits(ref)>>52) - 1023
	return &m[min(max(exponent-leastExponent, 0)/2, magnitudeClasses-1)]
}

// add takes the error |a−e| of an element that was counted.
func (c *magnitudeClass) add(abs float64) {
	c.err2 += abs * abs
	if abs > c.max {
		c.max = abs
	}
}

func (m *magnitudes) merge(other *magnitudes) {
	for i, c := range other {
		m[i].n += c.n
		m[i].err2 += c.err2
		m[i].max = max(m[i].max, c.max)
	}
}

func (m *magnitudes) list() []Magnitude {
	var list []Magnitude
	for i, c := range m {
		if c.n > 0 {
			list = append(list, Magnitude{leastExponent + 2*i, c.n, math.Sqrt(c.err2 / float64(c.n)), c.max})
		}
	}
	return list
}

// classes counts the distances in classes of powers of two.
func (h *histogram) classes() []int64 {
	var counts [65]int64
	for d, n := range h.exact {
		counts[bits.Len64(uint64(d))] += n
	}
	for c, n := range h.coarse {
		counts[c/32+11] += n
	}
	last := len(counts)
	for last > 0 && counts[last-1] == 0 {
		last--
	}
	return append([]int64(nil), counts[:last]...)
}

// Merge adds another profile's elements. The result depends on the order of several
// merges only by the rounding of RMS.
func (p *Profile) Merge(q Profile) {
	for i, n := range q.Distances {
		if i == len(p.Distances) {
			p.Distances = append(p.Distances, 0)
		}
		p.Distances[i] += n
	}
	for _, m := range q.Magnitudes {
		i, found := slices.BinarySearchFunc(p.Magnitudes, m.Exponent, func(m Magnitude, e int) int { return m.Exponent - e })
		if !found {
			p.Magnitudes = slices.Insert(p.Magnitudes, i, m)
			continue
		}
		p.Magnitudes[i] = p.Magnitudes[i].plus(m)
	}
}

func (m Magnitude) plus(o Magnitude) Magnitude {
	n := m.N + o.N
	err2 := m.RMS*m.RMS*float64(m.N) + o.RMS*o.RMS*float64(o.N)
	return Magnitude{m.Exponent, n, math.Sqrt(err2 / float64(n)), max(m.Max, o.Max)}
}
