package metric

import (
	"context"
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
)

func TestRatiosKnownAnswers(t *testing.T) {
	tests := []struct {
		name             string
		got, want, exact []float64
		ratio            Ratio
	}{
		{"empty", nil, nil, nil, Ratio{RMS: 1, Max: 1}},
		{"all exact", []float64{1, 2}, []float64{1, 2}, []float64{1, 2}, Ratio{N: 2, Exact: math.Sqrt(2.5), RMS: 1, Max: 1}},
		{"the same error", []float64{3}, []float64{3}, []float64{2}, Ratio{N: 1, Golden: 1, Candidate: 1, GoldenMax: 1, CandidateMax: 1, Exact: 2, RMS: 1, Max: 1}},
		{"the other way", []float64{1}, []float64{3}, []float64{2}, Ratio{N: 1, Golden: 1, Candidate: 1, GoldenMax: 1, CandidateMax: 1, Exact: 2, RMS: 1, Max: 1}},
		{"an exact candidate", []float64{2}, []float64{3}, []float64{2}, Ratio{N: 1, Golden: 1, GoldenMax: 1, Exact: 2, Spread: 1}},
		{"an exact golden", []float64{3}, []float64{2}, []float64{2}, Ratio{N: 1, Candidate: 1, CandidateMax: 1, Exact: 2, RMS: math.MaxFloat64, Max: math.MaxFloat64, Spread: math.MaxFloat64}},
		{
			"errors 3, 4 against 1, 2", []float64{3, -4}, []float64{1, -2}, []float64{0, 0},
			Ratio{N: 2, Golden: math.Sqrt(2.5), Candidate: math.Sqrt(12.5), GoldenMax: 2, CandidateMax: 4, RMS: math.Sqrt(5), Max: 2, Spread: math.Sqrt(64+144) / 5},
		},
		{
			"what is not finite on one side is left out", []float64{nan, 1, 1, 2}, []float64{1, inf, 1, 2}, []float64{1, 1, nan, 2},
			Ratio{N: 1, Exact: 2, RMS: 1, Max: 1},
		},
		{
			"denormals", []float64{0x1p-148}, []float64{0x1p-149}, []float64{0},
			Ratio{N: 1, Golden: 0x1p-149, Candidate: 0x1p-148, GoldenMax: 0x1p-149, CandidateMax: 0x1p-148, RMS: 2, Max: 2, Spread: 3},
		},
	}
	for _, tt := range tests {
		shape := tensor.Shape{len(tt.want)}
		got, err := Ratios(context.Background(), view(t, dtype.F32, shape, tt.got...), view(t, dtype.F32, shape, tt.want...), view(t, dtype.F64, shape, tt.exact...))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.ratio, got, near); diff != "" {
			t.Errorf("%s (-want +got)\n%s", tt.name, diff)
		}
		if _, err := json.Marshal(got); err != nil {
			t.Errorf("%s is not encodable: %v", tt.name, err)
		}
	}
}

// TestSpreadIsAStandardDeviation rounds sums of two orders to bfloat16 many times:
// R_rms² is off 1 by as much as Spread says.
func TestSpreadIsAStandardDeviation(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	const draws, n = 50, 1024
	square, spread2 := 0.0, 0.0
	for range draws {
		x, got, want := make([]float64, n), make([]float64, n), make([]float64, n)
		for i := range x {
			x[i] = random.NormFloat64()
			operands := x[i] + 2e-3*random.NormFloat64() // both sides round them
			got[i], want[i] = operands+1e-4*random.NormFloat64(), operands+1e-4*random.NormFloat64()
		}
		shape := tensor.Shape{n}
		r, err := Ratios(t.Context(), view(t, dtype.BF16, shape, got...), view(t, dtype.BF16, shape, want...), view(t, dtype.F64, shape, x...))
		if err != nil {
			t.Fatal(err)
		}
		square += (r.RMS*r.RMS - 1) * (r.RMS*r.RMS - 1)
		spread2 += r.Spread * r.Spread
	}
	if ratio := math.Sqrt(square / spread2); ratio < 0.7 || ratio > 1.3 {
		t.Errorf("R² − 1 is %v times what Spread says", ratio)
	}
}

func TestRatiosRefuse(t *testing.T) {
	two, one := view(t, dtype.F32, tensor.Shape{2}, 1, 2), view(t, dtype.F32, tensor.Shape{1}, 1)
	for _, sides := range [][3]tensor.View{{one, two, two}, {two, one, two}, {two, two, one}} {
		if _, err := Ratios(t.Context(), sides[0], sides[1], sides[2]); err == nil || !strings.Contains(err.Error(), "shapes") {
			t.Errorf("error %v", err)
		}
	}
	short := two
	short.Data = short.Data[:4]
	if _, err := Ratios(t.Context(), two, two, short); err == nil {
		t.Error("an exact value of too few bytes is taken")
	}
}

// noisy returns 4 Mi normal values, and the same with an error in a share of them.
func noisy(b testing.TB, typ dtype.Type, rel, share float64) (got, want tensor.View) {
	b.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	const n = 1 << 22
	a, e := make([]float64, n), make([]float64, n)
	for i := range e {
		e[i] = random.NormFloat64()
		a[i] = e[i]
		if random.Float64() < share {
			a[i] += rel * math.Abs(e[i]) * random.NormFloat64()
		}
	}
	pack := func(values []float64) tensor.View {
		v := tensor.View{Desc: tensor.Desc{Name: "x", Type: typ, Shape: tensor.Shape{n / 2048, 2048}}, Data: make([]byte, n*typ.Size())}
		if err := dtype.FromFloat64s(v.Data, values, typ); err != nil {
			b.Fatal(err)
		}
		return v
	}
	return pack(a), pack(e)
}

// TestPartsDoNotShow: a tensor of several parts has the figures that its elements
// have one by one.
func TestPartsDoNotShow(t *testing.T) {
	got, want := noisy(t, dtype.BF16, 0x1p-7, 0.1)
	a, _ := got.Float64s()
	e, _ := want.Float64s()
	s, err := Compare(t.Context(), got, want, Options{Band: Band{1e-3, 1e-3}})
	if err != nil {
		t.Fatal(err)
	}
	naive := Summary{N: int64(len(e)), Finite: int64(len(e)), SmallBelow: 0x1p-10}
	naive.MaxAbs.At, naive.Outside.Used.At = -1, -1
	err2, ref2 := 0.0, 0.0
	for i := range e {
		d, ref := math.Abs(a[i]-e[i]), math.Abs(e[i])
		err2, ref2 = err2+d*d, ref2+ref*ref
		naive.MaxRef = max(naive.MaxRef, ref)
		if d > naive.MaxAbs.Value {
			naive.MaxAbs = Extreme{d, int64(i), a[i], e[i]}
		}
		if d > 0 {
			naive.Differing++
		}
		if used := d / (1e-3 + 1e-3*ref); d > 0 && used > naive.Outside.Used.Value {
			naive.Outside.Used = Extreme{used, int64(i), a[i], e[i]}
			naive.Outside.LeastAtol = max(naive.Outside.LeastAtol, d-1e-3*ref)
		}
		if d > 1e-3+1e-3*ref {
			naive.Outside.Count++
		}
		naive.Outside.LeastAtol = max(naive.Outside.LeastAtol, d-1e-3*ref)
		naive.Outside.LeastRtol = max(naive.Outside.LeastRtol, (d-1e-3)/ref)
		if ref < 0x1p-10 {
			naive.Small, naive.SmallMax = naive.Small+1, max(naive.SmallMax, d)
			continue
		}
		naive.ULP.N++
		distance := Distance(a[i], e[i], dtype.BF16)
		naive.ULP.Max = max(naive.ULP.Max, distance)
		for d, n := range map[int64]*int64{0: &naive.ULP.Over0, 1: &naive.ULP.Over1, 2: &naive.ULP.Over2, 4: &naive.ULP.Over4} {
			if distance > d {
				*n++
			}
		}
	}
	naive.RelL2, naive.RMS = math.Sqrt(err2/ref2), math.Sqrt(ref2/float64(len(e)))
	naive.Cosine, naive.Bias, naive.Column = s.Cosine, s.Bias, s.Column
	naive.ULP.P50, naive.ULP.P99, naive.ULP.P999, naive.Mask, naive.Profile = s.ULP.P50, s.ULP.P99, s.ULP.P999, s.Mask, s.Profile
	if diff := cmp.Diff(naive, s, near); diff != "" {
		t.Errorf("(-naive +got)\n%s", diff)
	}
	if s.ULP.P50 != 0 || s.ULP.P99 < 1 || s.ULP.P999 < s.ULP.P99 {
		t.Errorf("percentiles %+v", s.ULP)
	}
}
