package verify

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
	"colakit/reference/generate"
	"colakit/verify/catalog"
	"colakit/verify/metric"
)

// roundedTwice returns n exact values, what becomes of them by rounding operands and
// result to bfloat16, and a candidate whose operands and result are off by its own
// shares of that.
func roundedTwice(t *testing.T, n int, operands, result float64) metric.Ratio {
	t.Helper()
	random := rand.New(rand.NewPCG(1, uint64(n)))
	x, e, a := make([]float64, n), make([]float64, n), make([]float64, n)
	for i := range x {
		x[i] = 1 + random.Float64()
		off := 2e-3 * random.NormFloat64()
		e[i] = x[i] + off
		e[i] += 0x1p-8 * (random.Float64() - 0.5)
		a[i] = x[i] + operands*off + result*(e[i]-x[i]-off)
	}
	shape := tensor.Shape{n}
	pack := func(values []float64) tensor.View {
		v := tensor.View{Desc: tensor.Desc{Type: dtype.F64, Shape: shape}, Data: make([]byte, 8*n)}
		if err := dtype.FromFloat64s(v.Data, values, dtype.F64); err != nil {
			t.Fatal(err)
		}
		return v
	}
	r, err := metric.Ratios(t.Context(), pack(a), pack(e), pack(x))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRatioVerdicts(t *testing.T) {
	released := Facts{Mode: Isolated, Contract: generate.Released, Artifact: dtype.F32, Kind: catalog.Product, Type: dtype.BF16, Terms: 64}
	with := func(change func(*Facts)) Facts {
		f := released
		change(&f)
		return f
	}
	kernels := with(func(f *Facts) { f.Kernels = true })
	free := with(func(f *Facts) { f.Mode = Free })
	tests := []struct {
		name             string
		f                Facts
		n                int
		operands, result float64
		verdict          RatioVerdict
		fails            bool
		why              string
	}{
		{"the same", released, 1000, 1, 1, SameError, false, ""},
		{"the other way", released, 1000, -1, -1, SameError, false, ""},
		{"no rounding at all", released, 1000, 0, 0, BetterThanGolden, true, ""},
		{"the operands are not rounded", released, 1000, 0, 1, BetterThanGolden, true, ""},
		{"the result is not rounded", released, 40000, 1, 0, BetterThanGolden, true, ""},
		{"a fifth more", released, 4000, 1.25, 1.25, WorseThanGolden, true, ""},
		{"no rounding, too few elements", released, 16, 0, 0, SameError, false, ""},
		{"rows that repeat each other", with(func(f *Facts) { f.Elements = 10 }), 1000, 0, 0, SameError, false, ""},
		{"kernels that round less", kernels, 1000, 0, 0.5, BetterThanGolden, false, ""},
		{"kernels within twice the error", kernels, 1000, 1.9, 1.9, WorseThanGolden, false, ""},
		{"kernels beyond it", kernels, 4000, 2.5, 2.5, WorseThanGolden, true, ""},
		{"kernels, free-running", with(func(f *Facts) { f.Kernels, f.Mode = true, Free }), 4000, 2.5, 2.5, WorseThanGolden, true, ""},
		{"free-running, smaller", free, 1000, 0, 0, BetterThanGolden, false, ""},
		{"free-running, 1.2 times", free, 4000, 1.2, 1.2, WorseThanGolden, false, ""},
		{"free-running, 1.6 times", free, 4000, 1.6, 1.6, WorseThanGolden, true, ""},
		{"float32", with(func(f *Facts) { f.Contract = generate.Exact }), 1000, 0, 0, BetterThanGolden, false, "two orders of summation"},
		{"rounded weights", with(func(f *Facts) { f.Artifact = dtype.I8 }), 1000, 3, 3, WorseThanGolden, false, "weights are rounded"},
		{"a fused golden", with(func(f *Facts) { f.Fused = true }), 1000, 3, 3, WorseThanGolden, false, "fused kernel"},
		{"unrecorded steps", with(func(f *Facts) { f.Mode = Generation }), 1000, 3, 3, WorseThanGolden, false, "not recorded"},
		{"float32 noise", with(func(f *Facts) { f.Terms = 1e9 }), 1000, 0, 0, BetterThanGolden, false, "no more than float32 makes"},
		{"nothing", released, 0, 0, 0, SameError, false, "no finite elements"},
	}
	for _, tt := range tests {
		if tt.f.Elements == 0 {
			tt.f.Elements = float64(tt.n)
		}
		q := newRatio(tt.f, roundedTwice(t, tt.n, tt.operands, tt.result))
		if q.Verdict != tt.verdict || (q.problem() != "") != tt.fails || !strings.Contains(q.Why, tt.why) || (q.Why == "") != (q.Rule != "") {
			t.Errorf("%s: %s, %q, not judged %q: R_rms %v, spread %v, %+v", tt.name, q.Verdict, q.problem(), q.Why, q.RMS, q.Spread, q.Checks)
		}
	}
}

func TestRatioOfAnExactGolden(t *testing.T) {
	f := Facts{Mode: Isolated, Contract: generate.Released, Artifact: dtype.F32}
	q := newRatio(f, metric.Ratio{N: 9, Candidate: 1, Exact: 1, RMS: math.MaxFloat64, Max: math.MaxFloat64, Spread: math.MaxFloat64})
	if q.Why != "the golden is exact there" || q.problem() != "" {
		t.Errorf("%+v", q)
	}
}

// TestPassesAreInOrder: the exact run is told which pass comes first.
func TestPassesAreInOrder(t *testing.T) {
	order := []generate.Site{
		{Stage: generate.Encode}, {Stage: generate.Prefill},
		{Stage: generate.Denoise}, {Stage: generate.Denoise, Step: 1}, {Stage: generate.Decode}, {Stage: generate.Commit},
		{Stage: generate.Denoise, Block: 1}, {Stage: generate.Decode, Block: 1}, {Stage: generate.Commit, Block: 1},
	}
	for i, a := range order {
		for j, b := range order {
			got := passOf(a).compare(passOf(b))
			if got < 0 != (i < j) || got > 0 != (i > j) {
				t.Errorf("%v against %v: %d", a, b, got)
			}
		}
	}
}
