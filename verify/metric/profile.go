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

// magnitudes are the running sums of a Profile's classes. Two counters take turns,
// for a processor waits for the last value of one.
type magnitudes struct {
	counts [2][magnitudeClasses]int64
	err2   [magnitudeClasses]perLane
	max    [magnitudeClasses]uint64 // bits of the largest |a−e|
}

// classOf returns the class of the bits of an |e|.
func classOf(bits uint64) uint32 {
	fine := int((bits + 1<<52) >> 53) // 2⁻¹⁰²⁵·4ⁱ ≤ |e| < 2⁻¹⁰²³·4ⁱ
	return uint32(min(max(fine-lowestClass, 0), magnitudeClasses-1))
}

// lowestClass is the class 2⁻⁶⁴ among those of all exponents of a float64.
const lowestClass = (1024 + leastExponent) / 2

// plainCount counts elements.
func (m *magnitudes) plainCount(classes []uint32) {
	even, odd := &m.counts[0], &m.counts[1]
	for ; len(classes) >= 4; classes = classes[4:] {
		c := (*[4]uint32)(classes)
		even[c[0]%magnitudeClasses]++
		odd[c[1]%magnitudeClasses]++
		even[c[2]%magnitudeClasses]++
		odd[c[3]%magnitudeClasses]++
	}
	for _, c := range classes {
		even[c%magnitudeClasses]++
	}
}

// addError takes the error of an element that was counted.
func (m *magnitudes) addError(class uint32, lane int, d float64) {
	class %= magnitudeClasses
	m.err2[class][lane] += float64(d * d)
	if bits := magnitudeBits(d); bits > m.max[class] {
		m.max[class] = bits
	}
}

// addErrors is addError for whole groups of lanes.
func (m *magnitudes) addErrors(classes []uint32, d []float64) {
	for len(classes) >= lanes {
		c, v := (*[lanes]uint32)(classes), (*[lanes]float64)(d)
		m.addError(c[0], 0, v[0])
		m.addError(c[1], 1, v[1])
		m.addError(c[2], 2, v[2])
		m.addError(c[3], 3, v[3])
		m.addError(c[4], 4, v[4])
		m.addError(c[5], 5, v[5])
		m.addError(c[6], 6, v[6])
		m.addError(c[7], 7, v[7])
		classes, d = classes[lanes:], d[lanes:]
	}
}

func (m *magnitudes) merge(other *magnitudes) {
	for c := range magnitudeClasses {
		m.counts[0][c] += other.counts[0][c] + other.counts[1][c]
		for lane, err2 := range other.err2[c] {
			m.err2[c][lane] += err2
		}
		m.max[c] = max(m.max[c], other.max[c])
	}
}

// list returns the classes of a Profile.
func (m *magnitudes) list() []Magnitude {
	var list []Magnitude
	for c := range magnitudeClasses {
		if n := m.counts[0][c] + m.counts[1][c]; n > 0 {
			list = append(list, Magnitude{leastExponent + 2*c, n, math.Sqrt(m.err2[c].sum() / float64(n)), math.Float64frombits(m.max[c])})
		}
	}
	return list
}

// classes counts the distances in classes of powers of two.
func (h *histogram) classes() []int64 {
	var counts [65]int64
	for d := range exactDistances {
		counts[bits.Len64(uint64(d))] += h.exactly(d)
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
