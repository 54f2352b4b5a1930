package verify

import (
	"math"
	"slices"

	"colakit/formats/tensor"
	"colakit/golden"
	"colakit/reference/generate"
	"colakit/verify/catalog"
)

// Offset says how far from 0 the rows lie that an operation normalises, in units
// of what they are divided by: |mean|/√(variance + eps). It is relative to the
// normalised elements, whose rms and largest may be below 1 where eps counts.
type Offset struct {
	RMS float64 // over all rows
	Max float64 // of any row
}

// rowMoments sums up rows of an input of a normalisation.
type rowMoments struct {
	rows, offsets    float64 // number, Σ a²
	elements, square float64 // number and Σ y² of the normalised elements
	offset, largest  float64 // largest a, largest |y|
}

// offset measures the golden's rows that op normalises in the pass of site: those
// that earlier passes left in a cache, too. It is zero where the bundle does not hold
// them.
func (s *session) offset(site generate.Site, op *catalog.Op, tap golden.Tap) Offset {
	sum := &rowMoments{}
	if slices.Contains(op.Inputs, catalog.Cache) {
		for _, earlier := range cachedBefore(site) {
			sum.merge(s.moments(earlier, op, channels(tap.Shape)))
		}
	}
	sum.merge(s.moments(site, op, channels(tap.Shape)))
	return sum.relative()
}

// cachedBefore lists the passes whose rows of the decoder a pass finds in the cache.
func cachedBefore(site generate.Site) (earlier []generate.Site) {
	if site.Stage != generate.Decode {
		return nil
	}
	earlier = append(earlier, generate.Site{Stage: generate.Prefill, Path: site.Path})
	for block := range site.Block {
		site.Block = block
		earlier = append(earlier, site)
	}
	return earlier
}

// moments sums up the rows of width channels that op normalises of a pass's own, once.
func (s *session) moments(site generate.Site, op *catalog.Op, width int) *rowMoments {
	if m := s.normalised[site.String()]; m != nil {
		return m
	}
	m := &rowMoments{}
	s.normalised[site.String()] = m
	path, from := op.Inputs[0], op.From
	for {
		if _, held := s.order[sibling(site, path)]; held {
			break
		}
		source := s.catalog.Op(path)
		if source == nil || source.Kind != catalog.Copy || len(source.Inputs) == 0 {
			return m
		}
		path, from = source.Inputs[0], from+source.From
	}
	if v, err := s.bundle.Read(sibling(site, path)); err == nil { // else reported where the value itself is compared
		m.see(v, from, width, op)
	}
	return m
}

// channels returns the elements of a row of a shape.
func channels(s tensor.Shape) int {
	n := 1
	for _, d := range s[min(1, len(s)):] {
		n *= d
	}
	return n
}

// see adds the channels from … from+n−1 of every row of v, in runs of op.Terms.
func (m *rowMoments) see(v tensor.View, from, n int, op *catalog.Op) {
	values, err := v.Float64s()
	width := channels(v.Shape)
	if err != nil || from+n > width || op.Terms < 1 {
		return
	}
	for at := from; at+n <= len(values); at += width {
		for run := range slices.Chunk(values[at:at+n], op.Terms) {
			m.add(run, op.Eps)
		}
	}
}

// add adds one run of elements that share a mean and a variance.
func (m *rowMoments) add(x []float64, eps float64) {
	n, mean, variance := float64(len(x)), 0.0, 0.0
	for _, v := range x {
		mean += v / n
	}
	for _, v := range x {
		variance += (v - mean) * (v - mean) / n
	}
	scale := math.Sqrt(variance + eps)
	if scale == 0 {
		return
	}
	a := math.Abs(mean) / scale
	m.rows, m.offsets, m.offset = m.rows+1, m.offsets+a*a, max(m.offset, a)
	m.elements, m.square = m.elements+n, m.square+n*variance/(variance+eps)
	for _, v := range x {
		m.largest = max(m.largest, math.Abs(v-mean)/scale)
	}
}

// merge adds the rows of another sum.
func (m *rowMoments) merge(o *rowMoments) {
	m.rows, m.offsets, m.offset = m.rows+o.rows, m.offsets+o.offsets, max(m.offset, o.offset)
	m.elements, m.square, m.largest = m.elements+o.elements, m.square+o.square, max(m.largest, o.largest)
}

// relative returns the offset of the rows seen; zero where all of them are
// constant, so that nothing is left to be off.
func (m *rowMoments) relative() Offset {
	if m.square == 0 {
		return Offset{}
	}
	return Offset{RMS: math.Sqrt(m.offsets/m.rows) / math.Sqrt(m.square/m.elements), Max: m.offset / m.largest}
}
