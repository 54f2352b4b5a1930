package metric

import (
	"context"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
)

var (
	nan = math.NaN()
	inf = math.Inf(1)
)

func view(t *testing.T, typ dtype.Type, shape tensor.Shape, values ...float64) tensor.View {
	t.Helper()
	v := tensor.View{Desc: tensor.Desc{Name: "x", Type: typ, Shape: shape}, Data: make([]byte, len(values)*typ.Size())}
	if err := dtype.FromFloat64s(v.Data, values, typ); err != nil {
		t.Fatal(err)
	}
	return v
}

func compare(t *testing.T, typ dtype.Type, shape tensor.Shape, band Band, got, want []float64) Summary {
	t.Helper()
	s, err := Compare(context.Background(), view(t, typ, shape, got...), view(t, typ, shape, want...), Options{Band: band})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// near compares floats to 12 digits and counts exactly.
var near = cmpopts.EquateApprox(1e-12, 0)

func TestCompareKnownAnswers(t *testing.T) {
	none := Extreme{At: -1}
	noMask := Mask{First: -1}
	tests := []struct {
		name      string
		typ       dtype.Type
		shape     tensor.Shape
		band      Band
		got, want []float64
		summary   Summary
	}{
		{
			name: "empty", typ: dtype.F32, shape: tensor.Shape{0, 3},
			summary: Summary{Cosine: 1, MaxAbs: none, Outside: Outside{Used: none}, Mask: noMask, Column: Column{Index: -1, SteadyAt: -1}},
		},
		{
			name: "one equal element", typ: dtype.F32, shape: tensor.Shape{1}, got: []float64{-3}, want: []float64{-3},
			summary: Summary{N: 1, Finite: 1, Cosine: 1, RMS: 3, MaxRef: 3, MaxAbs: Extreme{0, 0, -3, -3}, ULP: ULP{N: 1},
				Outside: Outside{Used: none}, Mask: noMask, Column: Column{Index: -1, SteadyAt: -1}},
		},
		{
			name: "a scalar off by one", typ: dtype.F32, shape: tensor.Shape{}, band: Band{0.5, 0.25}, got: []float64{3}, want: []float64{2},
			summary: Summary{N: 1, Finite: 1, RelL2: 0.5, Cosine: 1, Bias: 0.5, RMS: 2, MaxRef: 2, MaxAbs: Extreme{1, 0, 3, 2}, Differing: 1,
				ULP:     ULP{N: 1, P50: 1 << 22, P99: 1 << 22, P999: 1 << 22, Max: 1 << 22, Over0: 1, Over1: 1, Over2: 1, Over4: 1},
				Outside: Outside{Used: Extreme{1, 0, 3, 2}, LeastAtol: 0.5, LeastRtol: 0.25}, Mask: noMask, Column: Column{Share: 1, Offset: 1, SteadyAt: -1}},
		},
		{
			name: "two rows, error in the second column", typ: dtype.F32, shape: tensor.Shape{2, 2}, band: Band{Atol: 1},
			got: []float64{3, 4, 0, 2}, want: []float64{3, 4, 0, -12},
			summary: Summary{N: 4, Finite: 4, RelL2: 14. / 13, Cosine: 1 / math.Sqrt(29) / 13, Bias: 3.5 / 6.5, RMS: 6.5, MaxRef: 12,
				MaxAbs: Extreme{14, 3, 2, -12}, Differing: 1, Small: 1,
				ULP:     ULP{N: 3, P99: 2168455168, P999: 2168455168, Max: 2168455168, Over0: 1, Over1: 1, Over2: 1, Over4: 1},
				Outside: Outside{Count: 1, Used: Extreme{14, 3, 2, -12}, LeastAtol: 14, LeastRtol: 13. / 12}, Mask: noMask,
				Column: Column{Index: 1, Share: 1, Offset: 1 / math.Sqrt2, SteadyAt: -1}},
		},
		{
			name: "all zero", typ: dtype.BF16, shape: tensor.Shape{3}, got: []float64{0, 0, math.Copysign(0, -1)}, want: []float64{0, math.Copysign(0, -1), 0},
			summary: Summary{N: 3, Finite: 3, Cosine: 1, MaxAbs: Extreme{0, 0, 0, 0}, Small: 3,
				Outside: Outside{Used: none}, Mask: noMask, Column: Column{Index: -1, SteadyAt: -1}},
		},
		{
			name: "against zeros", typ: dtype.F32, shape: tensor.Shape{1}, got: []float64{0x1p-126}, want: []float64{0},
			summary: Summary{N: 1, Finite: 1, RelL2: 1, Bias: 1, MaxAbs: Extreme{0x1p-126, 0, 0x1p-126, 0}, Differing: 1, Small: 1, SmallMax: 0x1p-126,
				Outside: Outside{Count: 1, Used: Extreme{inf, 0, 0x1p-126, 0}, LeastAtol: 0x1p-126, LeastRtol: 0x1p-126 / math.SmallestNonzeroFloat64},
				Mask:    noMask, Column: Column{Share: 1, Offset: 1, SteadyAt: -1}},
		},
		{
			name: "against a zero, far", typ: dtype.F32, shape: tensor.Shape{1}, got: []float64{1}, want: []float64{0},
			summary: Summary{N: 1, Finite: 1, RelL2: 0x1p126, Bias: 0x1p126, MaxAbs: Extreme{1, 0, 1, 0}, Differing: 1, Small: 1, SmallMax: 1,
				Outside: Outside{Count: 1, Used: Extreme{inf, 0, 1, 0}, LeastAtol: 1, LeastRtol: inf},
				Mask:    noMask, Column: Column{Share: 1, Offset: 1, SteadyAt: -1}},
		},
		{
			name: "denormals", typ: dtype.F32, shape: tensor.Shape{2}, band: Band{Atol: 1}, got: []float64{3 * 0x1p-149, 0x1p-149}, want: []float64{0x1p-149, 0x1p-149},
			summary: Summary{N: 2, Finite: 2, RelL2: 2 * 0x1p-149 / 0x1p-126 / math.Sqrt2, Cosine: 4 / math.Sqrt(20), Bias: 0x1p-149 / 0x1p-126,
				RMS: 0x1p-149, MaxRef: 0x1p-149, MaxAbs: Extreme{0x1p-148, 0, 3 * 0x1p-149, 0x1p-149}, Differing: 1, Small: 2, SmallMax: 0x1p-148,
				Outside: Outside{Used: Extreme{0x1p-148, 0, 3 * 0x1p-149, 0x1p-149}, LeastAtol: 0x1p-148}, Mask: noMask, Column: Column{Share: 1, Offset: 1, SteadyAt: -1}},
		},
		{
			name: "NaN and infinities that agree and that do not", typ: dtype.F32, shape: tensor.Shape{6},
			got: []float64{nan, inf, -inf, nan, 1, inf}, want: []float64{nan, inf, inf, 1, 1, 1},
			summary: Summary{N: 6, Finite: 1, Cosine: 1, RMS: 1, MaxRef: 1, MaxAbs: Extreme{0, 4, 1, 1}, Differing: 3, ULP: ULP{N: 1},
				Outside: Outside{Used: none}, Column: Column{Index: -1, SteadyAt: -1},
				Mask: Mask{GotNaN: 2, WantNaN: 1, GotInf: 3, WantInf: 2, Mismatch: 3, First: 2}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := compare(t, tt.typ, tt.shape, tt.band, tt.got, tt.want)
			tt.summary.SmallBelow = SmallValue(tt.typ)
			if diff := cmp.Diff(tt.summary, got, near, cmpopts.IgnoreFields(Summary{}, "Profile")); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if _, err := json.Marshal(got); err != nil {
				t.Errorf("not encodable: %v", err)
			}
		})
	}
}

func TestSteadyColumnIsSeen(t *testing.T) {
	want, got := make([]float64, 5*64), make([]float64, 5*64)
	for i := range want {
		want[i] = 1 + float64(i)/512
		got[i] = want[i]
		if i%64 == 17 {
			got[i] += 3 * 0x1p-6 // a bias element
		}
	}
	got[3] += 0x1p-4 // one flip elsewhere, larger
	s := compare(t, dtype.BF16, tensor.Shape{5, 64}, Band{}, got, want)
	if s.Column.Steady != 1 || s.Column.SteadyAt != 17 || s.Column.Index != 17 {
		t.Errorf("got %+v, want column 17 off in every row", s.Column)
	}
}

func TestCandidateOfAWiderTypeIsRoundedForDistances(t *testing.T) {
	want := view(t, dtype.BF16, tensor.Shape{2}, 1, 2)
	got := view(t, dtype.F64, tensor.Shape{2}, 1+0x1p-9, 2+0x1p-6)
	s, err := Compare(context.Background(), got, want, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if s.Differing != 1 || s.ULP.Max != 1 || s.MaxAbs.Value != 0x1p-6 {
		t.Errorf("got %+v", s)
	}
}

func TestCompareRefuses(t *testing.T) {
	ok := view(t, dtype.F32, tensor.Shape{2}, 1, 2)
	short := ok
	short.Data = ok.Data[:4]
	integer := tensor.View{Desc: tensor.Desc{Name: "ids", Type: dtype.I32, Shape: tensor.Shape{2}}, Data: make([]byte, 8)}
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	tests := []struct {
		name      string
		ctx       context.Context
		got, want tensor.View
		message   string
	}{
		{"another shape", context.Background(), view(t, dtype.F32, tensor.Shape{1, 2}, 1, 2), ok, "shape [1, 2], want [2]"},
		{"too few bytes", context.Background(), short, ok, "do not hold"},
		{"integers", context.Background(), ok, integer, "do not hold"},
		{"a canceled context", canceled, ok, ok, "canceled"},
	}
	for _, tt := range tests {
		if _, err := Compare(tt.ctx, tt.got, tt.want, Options{}); err == nil || !strings.Contains(err.Error(), tt.message) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.message)
		}
	}
}

// TestChunksDoNotShow compares a tensor of several chunks with what a direct
// evaluation of the formulas gives.
func TestChunksDoNotShow(t *testing.T) {
	n := 3*chunk + 5
	got, want := make([]float64, n), make([]float64, n)
	err2, ref2 := 0.0, 0.0
	for i := range want {
		want[i] = float64(float32(math.Sin(float64(i))))
		got[i] = float64(float32(want[i] * (1 + 1e-3*math.Cos(float64(3*i)))))
		err2 += (got[i] - want[i]) * (got[i] - want[i])
		ref2 += want[i] * want[i]
	}
	got[2*chunk] += 1
	err2 += 1 + 2*(got[2*chunk]-1-want[2*chunk])
	s := compare(t, dtype.F32, tensor.Shape{n}, Band{}, got, want)
	if rel := math.Sqrt(err2 / ref2); math.Abs(s.RelL2-rel) > 1e-7*rel || s.MaxAbs.At != 2*chunk || s.N != int64(n) {
		t.Errorf("rel-L2 %v, want %v; %+v", s.RelL2, rel, s.MaxAbs)
	}
}

func TestSQNR(t *testing.T) {
	if got := (Summary{RelL2: 0.01}).SQNR(); math.Abs(got-40) > 1e-12 {
		t.Errorf("got %v dB, want 40", got)
	}
	if got := (Summary{}).SQNR(); !math.IsInf(got, 1) {
		t.Errorf("got %v dB, want +Inf", got)
	}
	raw, err := json.Marshal(Summary{})
	if err != nil || !strings.Contains(string(raw), `"sqnr_db":null`) {
		t.Errorf("got %s, %v", raw, err)
	}
}
