package verify

import (
	"math"
	"math/rand/v2"
	"testing"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
	"colakit/reference/generate"
	"colakit/verify/catalog"
	"colakit/verify/metric"
)

func TestRowMoments(t *testing.T) {
	tests := []struct {
		name    string
		values  []float32
		columns int
		from, n int
		op      catalog.Op
		want    Offset
	}{
		{"rows around 0", []float32{1, -1, 2, -2}, 2, 0, 2, catalog.Op{Terms: 2}, Offset{0, 0}},
		{"one row off", []float32{1, -1, 8, 4}, 2, 0, 2, catalog.Op{Terms: 2}, Offset{math.Sqrt(9. / 2), 3}},
		{"eps leaves less to be off", []float32{7, 5}, 2, 0, 2, catalog.Op{Terms: 2, Eps: 3}, Offset{6, 6}},
		{"heads of a row", []float32{1, -1, 5, 3}, 4, 0, 4, catalog.Op{Terms: 2}, Offset{math.Sqrt(8), 4}},
		{"channels of a row", []float32{900, 1, -1, 900, 8, 4}, 3, 1, 2, catalog.Op{Terms: 2}, Offset{math.Sqrt(9. / 2), 3}},
		{"constant rows", []float32{4, 4}, 2, 0, 2, catalog.Op{Terms: 2, Eps: 1}, Offset{}},
		{"channels that are not there", []float32{4, 2}, 2, 1, 2, catalog.Op{Terms: 2}, Offset{}},
	}
	for _, tt := range tests {
		m := &rowMoments{}
		m.see(tensor.FromFloat32s("x", tensor.Shape{len(tt.values) / tt.columns, tt.columns}, tt.values), tt.from, tt.n, &tt.op)
		got := m.relative()
		if math.Abs(got.RMS-tt.want.RMS) > 1e-12 || math.Abs(got.Max-tt.want.Max) > 1e-12 {
			t.Errorf("%s: offset %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

// TestNormalisationOfOffsetRows normalises in float32 throughout: it keeps the
// limits however far the rows lie from 0, and a variance that is 2⁻¹⁴ off doesn't
// where the rows lie around 0.
func TestNormalisationOfOffsetRows(t *testing.T) {
	const rows, eps = 400, 1e-6
	for _, width := range []int{2, 3, 4, 16, 300} {
		for _, mean := range []float64{0, 3, 100, 3000} {
			random := rand.New(rand.NewPCG(uint64(width), uint64(mean)))
			x := make([]float32, rows*width)
			for i := range x {
				x[i] = float32(mean + random.NormFloat64())
			}
			right, single, wrong := make([]float64, len(x)), make([]float32, len(x)), make([]float32, len(x))
			for r := range rows {
				a, b := r*width, (r+1)*width
				normaliseRow(right[a:b], x[a:b], eps, 0)
				normaliseRow(single[a:b], x[a:b], eps, 0)
				normaliseRow(wrong[a:b], x[a:b], eps, 0x1p-14)
			}
			shape := tensor.Shape{rows, width}
			m := &rowMoments{}
			m.see(tensor.FromFloat32s("x", shape, x), 0, width, &catalog.Op{Terms: width, Eps: eps})
			f := Facts{Mode: Isolated, Contract: generate.Exact, Artifact: dtype.F32, Kind: catalog.Normalisation, Type: dtype.F32, Terms: float64(width), Offset: m.relative()}
			want := tensor.View{Desc: tensor.Desc{Name: "y", Type: dtype.F64, Shape: shape}, Data: make([]byte, 8*len(right))}
			if err := dtype.FromFloat64s(want.Data, right, dtype.F64); err != nil {
				t.Fatal(err)
			}
			judge := func(y []float32) string {
				s, err := metric.Compare(t.Context(), tensor.FromFloat32s("y", shape, y), want, metric.Options{})
				if err != nil {
					t.Fatal(err)
				}
				return failure(rule(f).limits(f, s))
			}
			if why := judge(single); why != "" {
				t.Errorf("width %d, mean %v: float32 fails: %s", width, mean, why)
			}
			if mean == 0 && width > 2 && judge(wrong) == "" {
				t.Errorf("width %d: a wrong variance passes", width)
			}
		}
	}
}

// normaliseRow is a LayerNorm whose every operation is one of T; its variance is
// off by a relative error.
func normaliseRow[T float32 | float64](dst []T, x []float32, eps, off float64) {
	var mean, variance T
	for _, v := range x {
		mean += T(v)
	}
	mean /= T(len(x))
	for _, v := range x {
		d := T(v) - mean
		variance += T(d * d)
	}
	variance = variance / T(len(x)) * T(1+off)
	for i, v := range x {
		dst[i] = (T(v) - mean) / T(math.Sqrt(float64(variance+T(eps))))
	}
}
