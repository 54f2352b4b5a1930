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

// magnitudes are the running sums of a Profile's classes, finer than those and
// without their bounds. Two counters take turns, for a processor waits for the last
// value of one.
type magnitudes struct {
	counts [2][fineClasses]int64
	err2   [fineClasses]float64
	max    [fineClasses]float64
}

// fineClasses are those of all exponents of a float64, a factor of 4 each.
const fineClasses = 1 << 10

// sizeOf returns the fine class of the bits of an |e|: 2⁻¹⁰²⁵·4ⁱ ≤ |e| < 2⁻¹⁰²³·4ⁱ.
func sizeOf(bits uint64) uint64 { return (bits + 1<<52) >> 53 & (fineClasses - 1) }

// add takes the error of an element that was counted.
func (m *magnitudes) add(bits uint64, abs, err2 float64) {
	i := sizeOf(bits)
	m.err2[i] += err2
	if abs > m.max[i] {
		m.max[i] = abs
	}
}

func (m *magnitudes) merge(other *magnitudes) {
	for i := range fineClasses {
		m.counts[0][i] += other.counts[0][i] + other.counts[1][i]
		m.err2[i] += other.err2[i]
		m.max[i] = max(m.max[i], other.max[i])
	}
}

// list returns the classes of a Profile.
func (m *magnitudes) list() []Magnitude {
	var list []Magnitude
	for i := range fineClasses {
		n := m.counts[0][i] + m.counts[1][i]
		if n == 0 {
			continue
		}
		exponent := min(max(2*i-1024, leastExponent), leastExponent+2*(magnitudeClasses-1))
		this := Magnitude{exponent, n, math.Sqrt(m.err2[i] / float64(n)), m.max[i]}
		if last := len(list) - 1; last >= 0 && list[last].Exponent == exponent {
			list[last] = list[last].plus(this)
			continue
		}
		list = append(list, this)
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
