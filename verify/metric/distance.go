package metric

import (
	"math"
	"math/bits"

	"colakit/formats/dtype"
)

// SmallValue returns the bound of the small-value domain of a stored type:
// below it ULP distances say nothing, because a sum that cancels to almost zero
// keeps the absolute error of its operands. 2⁻¹⁰ for f16 and bf16, 2⁻²⁰ for f32
// and f64.
func SmallValue(t dtype.Type) float64 {
	if t == dtype.F16 || t == dtype.BF16 {
		return 0x1p-10
	}
	return 0x1p-20
}

// ordinal maps a value, rounded to type t, to an integer such that neighbouring
// values of t have neighbouring integers; 0 and −0 map to 0.
func ordinal(v float64, t dtype.Type) int64 {
	switch t {
	case dtype.F16:
		return fold(int64(dtype.Float32ToF16(float32(v))), 0x8000)
	case dtype.BF16:
		return ordinalBF16(v)
	case dtype.F64:
		b := math.Float64bits(v)
		if b>>63 != 0 {
			return -int64(b &^ (1 << 63))
		}
		return int64(b)
	}
	return ordinal32(float32(v))
}

// ordinal32 is ordinal for float32, without branches: signs are random.
func ordinal32(v float32) int64 {
	code := math.Float32bits(v)
	negative := int64(int32(code) >> 31) // 0 or −1
	return (int64(code&0x7fffffff) ^ negative) - negative
}

func fold(code, sign int64) int64 {
	if code&sign != 0 {
		return -(code &^ sign)
	}
	return code
}

// ordinalBF16 is ordinal for bfloat16, without branches.
func ordinalBF16(v float64) int64 {
	code := int64(dtype.Float32ToBF16(float32(v)))
	negative := -(code >> 15)
	return (code&0x7fff ^ negative) - negative
}

// Distance returns how many representable values of type t lie between a and e,
// the nearer end not counted: 0 where they round to the same value.
func Distance(a, e float64, t dtype.Type) int64 {
	lo, hi := ordinal(a, t), ordinal(e, t)
	if lo > hi {
		lo, hi = hi, lo
	}
	if lo < 0 && hi > math.MaxInt64+lo { // f64 only: farther apart than an int64 holds
		return math.MaxInt64
	}
	return hi - lo
}

// Neighbour returns the value of type t next to v, the larger one if up. v is a
// finite value of t (F16 or BF16); infinity is not crossed.
func Neighbour(v float64, t dtype.Type, up bool) float64 {
	code := ordinal(v, t)
	if up {
		code++
	} else {
		code--
	}
	sign := uint16(0)
	if code < 0 {
		code, sign = -code, 0x8000
	}
	if t == dtype.F16 {
		return float64(dtype.F16ToFloat32(uint16(min(code, 0x7bff)) | sign))
	}
	return float64(dtype.BF16ToFloat32(uint16(min(code, 0x7f7f)) | sign))
}

// exactDistances are the distances that a histogram keeps apart.
const exactDistances = 1024

// farthest is the largest distance between values of 32 bits; in lists of distances
// the one above stands for an element in the small-value domain.
const farthest = math.MaxUint32 - 1

// histogram counts non-negative integers: exactly below 1024, in 32 classes per
// power of two above, so that a percentile is never reported too small and by at
// most 1/32 too large. Two counters take turns, for a processor waits for the last
// value of one.
type histogram struct {
	exact  [2][exactDistances]int64
	coarse [53 * 32]int64
	total  int64
	max    int64
}

func (h *histogram) add(d int64) {
	h.total++
	h.max = max(h.max, d)
	if d < exactDistances {
		h.exact[0][d]++
		return
	}
	h.coarse[coarseClass(d)]++
}

// coarseClass is that of a distance of at least exactDistances.
func coarseClass(d int64) int {
	e := bits.Len64(uint64(d)) - 1 // at least 10
	return (e-10)*32 + int(d>>(e-5)&31)
}

// addAll is add for distances of which so many stand for elements in the
// small-value domain; most is the largest of the others.
func (h *histogram) addAll(distances []uint32, small int, most uint32) {
	h.max = max(h.max, int64(most))
	h.total += int64(len(distances) - small)
	if most < exactDistances {
		h.addNear(distances)
		h.exact[0][exactDistances-1] -= int64(small)
		return
	}
	for _, d := range distances {
		switch {
		case d < exactDistances:
			h.exact[0][d]++
		case d <= farthest:
			h.coarse[coarseClass(int64(d))]++
		}
	}
}

// addNear counts distances below exactDistances; elements in the small-value domain
// count as the largest of these.
func (h *histogram) addNear(distances []uint32) {
	even, odd := &h.exact[0], &h.exact[1]
	for ; len(distances) >= 4; distances = distances[4:] {
		d := (*[4]uint32)(distances)
		even[d[0]%exactDistances]++
		odd[d[1]%exactDistances]++
		even[d[2]%exactDistances]++
		odd[d[3]%exactDistances]++
	}
	for _, d := range distances {
		even[d%exactDistances]++
	}
}

// zeros counts 0 n times.
func (h *histogram) zeros(n int64) {
	h.exact[0][0] += n
	h.total += n
}

// exactly returns the count of one distance, below exactDistances.
func (h *histogram) exactly(d int) int64 { return h.exact[0][d] + h.exact[1][d] }

func (h *histogram) merge(other *histogram) {
	for d := range exactDistances {
		h.exact[0][d] += other.exactly(d)
	}
	for c, n := range other.coarse {
		h.coarse[c] += n
	}
	h.total += other.total
	h.max = max(h.max, other.max)
}

// percentile returns the smallest class that at least the share p of the counts
// lies in or below.
func (h *histogram) percentile(p float64) int64 {
	rank := int64(math.Ceil(p * float64(h.total)))
	seen := int64(0)
	for d := range exactDistances {
		n := h.exactly(d)
		if seen += n; seen >= rank && n > 0 {
			return int64(d)
		}
	}
	for c, n := range h.coarse {
		if seen += n; seen >= rank && n > 0 {
			e := c/32 + 10
			return min(h.max, int64(32+c%32+1)<<(e-5)-1)
		}
	}
	return h.max
}

// over returns how many counts are above d, for d < exactDistances.
func (h *histogram) over(d int) int64 {
	n := h.total
	for i := range d + 1 {
		n -= h.exactly(i)
	}
	return n
}
