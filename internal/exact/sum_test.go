package exact

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// rounded is the sum by arbitrary precision.
func rounded(values []float64) float64 {
	sum := new(big.Float).SetPrec(4000)
	for _, v := range values {
		sum.Add(sum, new(big.Float).SetPrec(4000).SetFloat64(v))
	}
	f, _ := sum.Float64()
	return f
}

func sumOf(values []float64) Sum {
	var s Sum
	for _, v := range values {
		s.Add(v)
	}
	return s
}

func TestSum(t *testing.T) {
	const tiny, large = math.SmallestNonzeroFloat64, math.MaxFloat64
	for _, values := range [][]float64{
		nil,
		{0},
		{math.Copysign(0, -1)},
		{1},
		{tiny},
		{tiny, tiny},
		{0x1p-1022},
		{0x1p-1022, tiny},
		{0x1p-1010, tiny},
		{0x1p-1011, 0x1p-1012, 3 * tiny},
		{large},
		{large, tiny},
		{large, large},
		{large, 0x1p969},         // just below a tie between the largest and infinity
		{large, 0x1p970},         // the tie
		{1, 0x1p-53},             // a tie, to even
		{1, 0x1p-53, tiny},       // a little more than the tie
		{1 + 0x1p-52, 0x1p-53},   // a tie, up to even
		{0x1.fffffffffffffp0, 1}, // carries
		{0x1.fffffffffffffp63, 0x1p11},
		{0x1p300, 1, 0x1p-300},
	} {
		s := sumOf(values)
		if got, want := s.Float64(), rounded(values); got != want {
			t.Errorf("sum of %v is %v, want %v", values, got, want)
		}
	}
}

// TestOrderAndGrouping adds random values of all magnitudes in two orders and in
// pieces: the same Sum each time, and the right one.
func TestOrderAndGrouping(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		spread := []int{1, 10, 100, 1000}[r.IntN(4)]
		values := make([]float64, r.IntN(100))
		for i := range values {
			values[i] = math.Ldexp(r.Float64(), r.IntN(2*spread)-spread)
		}
		want := sumOf(values)
		if got := want.Float64(); got != rounded(values) {
			t.Fatalf("sum of %v is %v, want %v", values, got, rounded(values))
		}
		r.Shuffle(len(values), func(i, j int) { values[i], values[j] = values[j], values[i] })
		cut := r.IntN(len(values) + 1)
		got, rest := sumOf(values[:cut]), sumOf(values[cut:])
		if got.Merge(&rest); got != want {
			t.Fatalf("shuffled and cut at %d, the sum of %v is %v, want %v", cut, values, got.Float64(), want.Float64())
		}
	}
}

func TestCarriesRunThrough(t *testing.T) {
	s := sumOf([]float64{0x1p-1010})
	for e := -1009; e < 500; e++ {
		s.Add(math.Ldexp(1, e))
	}
	s.Add(0x1p-1010) // 2⁻¹⁰¹⁰ + Σ2ᵉ + 2⁻¹⁰¹⁰ carries through every bit
	if got := s.Float64(); got != 0x1p500 {
		t.Errorf("got %v, want 2⁵⁰⁰", got)
	}
}

func TestInvalid(t *testing.T) {
	for _, x := range []float64{-1, -math.SmallestNonzeroFloat64, math.Inf(1), math.Inf(-1), math.NaN()} {
		s := sumOf([]float64{1, x, 1})
		var merged Sum
		merged.Merge(&s)
		if got := s.Float64(); !math.IsNaN(got) || !math.IsNaN(merged.Float64()) {
			t.Errorf("after adding %v the sum is %v", x, got)
		}
	}
}

func BenchmarkAdd(b *testing.B) {
	var s Sum
	for b.Loop() {
		s.Add(1234.5678)
	}
}
