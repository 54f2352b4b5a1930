package dtype

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/x448/float16"
)

const codes = 1 << 16

func TestF16ToFloat32EqualsFloat16OnEveryCode(t *testing.T) {
	for c := range codes {
		got, want := F16ToFloat32(uint16(c)), float16.Frombits(uint16(c)).Float32()
		if math.Float32bits(got) != math.Float32bits(want) {
			t.Fatalf("code %#04x: got %#08x, want %#08x", c, math.Float32bits(got), math.Float32bits(want))
		}
	}
}

func TestFloat32ToF16EqualsFloat16(t *testing.T) {
	for _, f := range probes(F16ToFloat32) {
		got, want := Float32ToF16(f), float16.Fromfloat32(f).Bits()
		if got != want {
			t.Fatalf("%v (%#08x): got %#04x, want %#04x", f, math.Float32bits(f), got, want)
		}
	}
}

func TestBF16ToFloat32KeepsTheUpperHalf(t *testing.T) {
	for c := range codes {
		if got := math.Float32bits(BF16ToFloat32(uint16(c))); got != uint32(c)<<16 {
			t.Fatalf("code %#04x: got %#08x", c, got)
		}
	}
}

func TestFloat32ToBF16IsNearestEven(t *testing.T) {
	for _, f := range probes(BF16ToFloat32) {
		got := Float32ToBF16(f)
		if f != f {
			if r := BF16ToFloat32(got); r == r {
				t.Fatalf("NaN %#08x became %#04x", math.Float32bits(f), got)
			}
		} else if want := nearest(float64(f), bf16Value); got != want {
			t.Fatalf("%v (%#08x): got %#04x, want %#04x", f, math.Float32bits(f), got, want)
		}
		if r := RoundBF16(f); math.Float32bits(r) != math.Float32bits(BF16ToFloat32(got)) {
			t.Fatalf("RoundBF16(%#08x) = %#08x, want code %#04x", math.Float32bits(f), math.Float32bits(r), got)
		}
	}
}

// TestFloat64IsRoundedOnce nudges midpoints by less than float32 resolves: a path
// over a plain float32 would turn them into ties.
func TestFloat64IsRoundedOnce(t *testing.T) {
	formats := map[Type]struct {
		widen func(uint16) float32
		value func(int) *big.Float
		round func(float32) uint16
	}{
		F16:  {F16ToFloat32, f16Value, Float32ToF16},
		BF16: {BF16ToFloat32, bf16Value, Float32ToBF16},
	}
	for typ, f := range formats {
		for c := 0; c < codes/2; c += 7 {
			mid := (float64(f.widen(uint16(c))) + float64(f.widen(uint16(c+1)))) / 2
			if math.IsNaN(mid) || math.IsInf(mid, 0) {
				continue
			}
			for _, d := range []float64{mid, math.Nextafter(mid, 0), math.Nextafter(mid, math.Inf(1)), mid * (1 + 0x1p-40)} {
				for _, d := range []float64{d, -d} {
					if got, want := f.round(roundToOdd(d)), nearest(d, f.value); got != want {
						t.Fatalf("%v of %v (%#x): got %#04x, want %#04x", typ, d, math.Float64bits(d), got, want)
					}
				}
			}
		}
	}
}

func TestFloat64Extremes(t *testing.T) {
	inf := math.Inf(1)
	tests := []struct {
		in        float64
		f16, bf16 uint16
	}{
		{0, 0, 0},
		{math.Copysign(0, -1), 0x8000, 0x8000},
		{math.SmallestNonzeroFloat64, 0, 0},
		{-math.SmallestNonzeroFloat64, 0x8000, 0x8000},
		{math.MaxFloat64, 0x7c00, 0x7f80},
		{inf, 0x7c00, 0x7f80},
		{-inf, 0xfc00, 0xff80},
		{math.Nextafter(65520, 0), 0x7bff, 0x4780},
		{65520, 0x7c00, 0x4780},
		{0x1p-25, 0, 0x3300},
		{math.Nextafter(0x1p-25, 1), 1, 0x3300},
		{0x1p-134, 0, 0},
		{math.Nextafter(0x1p-134, 1), 0, 1},
	}
	for _, tt := range tests {
		odd := roundToOdd(tt.in)
		if got := Float32ToF16(odd); got != tt.f16 {
			t.Errorf("f16 of %v: got %#04x, want %#04x", tt.in, got, tt.f16)
		}
		if got := Float32ToBF16(odd); got != tt.bf16 {
			t.Errorf("bf16 of %v: got %#04x, want %#04x", tt.in, got, tt.bf16)
		}
	}
	if odd := roundToOdd(math.NaN()); odd == odd {
		t.Errorf("NaN became %v", odd)
	}
}

// probes returns float32 values where rounding to a 16-bit format goes wrong
// first: every code, the midpoint above it and that midpoint's neighbours, NaNs
// of many payloads, and random bits.
func probes(widen func(uint16) float32) []float32 {
	var fs []float32
	for c := range codes {
		lo := math.Float32bits(widen(uint16(c)))
		hi := math.Float32bits(widen(uint16(c) + 1))
		mid := lo + (hi-lo)/2
		for _, b := range []uint32{lo, lo - 1, lo + 1, mid - 1, mid, mid + 1} {
			fs = append(fs, math.Float32frombits(b))
		}
	}
	for bit := range 23 {
		fs = append(fs, math.Float32frombits(f32Infinity|1<<bit), math.Float32frombits(0xff800000|1<<bit))
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 1 << 20 {
		fs = append(fs, math.Float32frombits(random.Uint32()))
	}
	return fs
}

// nearest is the rounding oracle: it bisects the non-negative codes for the two
// around |d| and compares exact distances, ties to the even code. value(c) is
// the exact value of code c, the infinite code standing for the next power of two.
func nearest(d float64, value func(code int) *big.Float) uint16 {
	sign := uint16(0)
	if math.Signbit(d) {
		sign = 0x8000
	}
	infinite := 0x7c00
	if value(0x7c00).Cmp(big.NewFloat(65536)) != 0 {
		infinite = 0x7f80
	}
	if math.IsInf(d, 0) {
		return sign | uint16(infinite)
	}
	x := new(big.Float).SetPrec(2200).SetFloat64(math.Abs(d))
	lo, hi := 0, infinite
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; value(mid).Cmp(x) <= 0 {
			lo = mid
		} else {
			hi = mid
		}
	}
	below := new(big.Float).SetPrec(2200).Sub(x, value(lo))
	above := new(big.Float).SetPrec(2200).Sub(value(hi), x)
	if c := below.Cmp(above); c < 0 || c == 0 && lo%2 == 0 {
		return sign | uint16(lo)
	}
	return sign | uint16(hi)
}

func f16Value(code int) *big.Float  { return smallFloat(code, 10, 15) }
func bf16Value(code int) *big.Float { return smallFloat(code, 7, 127) }

// smallFloat is the textbook value of a binary format's non-negative code.
func smallFloat(code, mantissa, bias int) *big.Float {
	exponent, m := code>>mantissa, code&(1<<mantissa-1)
	if exponent == 0 {
		exponent = 1
	} else {
		m |= 1 << mantissa
	}
	return new(big.Float).SetMantExp(big.NewFloat(float64(m)), exponent-bias-mantissa)
}
