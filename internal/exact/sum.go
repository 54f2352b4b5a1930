// Package exact adds numbers without rounding, so that a sum does not depend on
// the order or the grouping of what is added.
package exact

import (
	"math"
	"math/bits"
)

// words hold a sum in units of 2⁻¹⁰⁷⁴: the 2098 bits of float64 and 78 for the
// carries of more terms than can be added.
const words = (1023+1+1074)/64 + 2

// Sum is a sum of non-negative float64 values. The zero Sum is empty; Sums of
// the same values are equal as Go values.
type Sum struct {
	words   [words]uint64 // lowest first
	invalid bool
}

// Add adds x. Once anything negative, infinite or NaN was added, Float64 is NaN.
func (s *Sum) Add(x float64) {
	if !(x >= 0 && x <= math.MaxFloat64) {
		s.invalid = true
		return
	}
	b := math.Float64bits(x) &^ (1 << 63)
	mantissa, shift := b&(1<<52-1), b>>52
	if shift > 0 { // normal
		mantissa, shift = mantissa|1<<52, shift-1
	}
	w, by := shift/64, shift%64
	var carry uint64
	s.words[w], carry = bits.Add64(s.words[w], mantissa<<by, 0)
	s.words[w+1], carry = bits.Add64(s.words[w+1], mantissa>>(64-by), carry)
	for w += 2; carry > 0 && w < words; w++ {
		s.words[w], carry = bits.Add64(s.words[w], 0, carry)
	}
}

// Merge adds all that was added to t.
func (s *Sum) Merge(t *Sum) {
	var carry uint64
	for w := range s.words {
		s.words[w], carry = bits.Add64(s.words[w], t.words[w], carry)
	}
	s.invalid = s.invalid || t.invalid
}

// Float64 returns the sum, rounded once to nearest, ties to even.
func (s *Sum) Float64() float64 {
	if s.invalid {
		return math.NaN()
	}
	top := words - 1
	for top > 0 && s.words[top] == 0 {
		top--
	}
	if top == 0 {
		return math.Ldexp(float64(s.words[0]), -1074)
	}
	// The leading 64 bits, of which the last stands for all that follow.
	zeros := bits.LeadingZeros64(s.words[top])
	lead := s.words[top]<<zeros | s.words[top-1]>>(64-zeros)
	rest := s.words[top-1] << zeros
	for _, w := range s.words[:top-1] {
		rest |= w
	}
	if rest != 0 {
		lead |= 1
	}
	return math.Ldexp(float64(lead), 64*top-zeros-1074)
}
