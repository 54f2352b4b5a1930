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

// magnitude is |d|, without branches.
func magnitude(d int64) int64 {
	negative := d >> 63
	return (d ^ negative) - negative
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

// histogram counts non-negative integers: exactly below 1024, in 32 classes per
// power of two above, so that a percentile is never reported too small and by at
// most 1/32 too large.
type histogram struct {
	exact  [1024]int64
	coarse [53 * 32]int64
	total  int64
	max    int64
}

func (h *histogram) add(d int64) {
	h.total++
	h.max = max(h.max, d)
	if d < int64(len(h.exact)) {
		h.exact[d]++
		return
	}
	e := bits.Len64(uint64(d)) - 1 // at least 10
	h.coarse[(e-10)*32+int(d>>(e-5)&31)]++
}

// zeros counts 0 n times.
func (h *histogram) zeros(n int64) {
	h.exact[0] += n
	h.total += n
}

func (h *histogram) merge(other *histogram) {
	for d, n := range other.exact {
		h.exact[d] += n
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
	for d, n := range h.exact {
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

// over returns how many counts are above d, for d < 1024.
func (h *histogram) over(d int) int64 {
	n := h.total
	for _, c := range h.exact[:d+1] {
		n -= c
	}
	return n
}
