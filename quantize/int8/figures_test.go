package int8

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/formats/dtype"
)

// rowSum adds the squares of a row in the order of the package's documentation.
func rowSum(v []float32) float64 {
	var lane [8]float64
	for i, x := range v {
		lane[i%8] += float64(x) * float64(x)
	}
	return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]))
}

// figuresOf is the definition of Figures but for AbsMaxRelL2, Clipped.
func figuresOf(m matrix) Figures {
	f := Figures{Min: math.Inf(1), Max: math.Inf(-1)}
	squares, errors := new(big.Float).SetPrec(2000), new(big.Float).SetPrec(2000)
	y := m.values()
	for r := range m.rows {
		row := m.x[r*m.cols : (r+1)*m.cols]
		if !storable(row, m.Scheme) {
			continue
		}
		d := make([]float32, m.cols)
		for c, x := range row {
			d[c] = x - y[r*m.cols+c]
			if e := math.Abs(float64(d[c])); e > f.MaxAbs {
				f.MaxAbs, f.MaxAbsIndex = e, int64(r*m.cols+c)
			}
			if m.codes[r*m.cols+c] == 0 {
				f.Zeros++
			}
			f.Min, f.Max = min(f.Min, float64(x)), max(f.Max, float64(x))
		}
		f.Elements += int64(m.cols)
		if ratio := math.Sqrt(rowSum(d) / rowSum(row)); ratio > f.WorstRowRelL2 {
			f.WorstRowRelL2, f.WorstRow = ratio, int64(r)
		}
		squares.Add(squares, big.NewFloat(rowSum(row)))
		errors.Add(errors, big.NewFloat(rowSum(d)))
	}
	if f.Elements == 0 {
		f.Min, f.Max = 0, 0
	}
	if s, _ := squares.Float64(); s > 0 {
		e, _ := errors.Float64()
		f.RelL2 = math.Sqrt(e / s)
	}
	return f
}

func TestFigures(t *testing.T) {
	eachDataset(t, 5, func(t *testing.T, x []float32, cols int, s Scheme) {
		m := stored(t, x, cols, s, fastest)
		got, want := m.tally.Figures(), figuresOf(m)
		want.AbsMaxRelL2, want.Clipped = got.AbsMaxRelL2, got.Clipped
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%v, %d columns: figures (-want +got)\n%s", s, cols, diff)
		}
		if s.Clip == AbsMax && got.AbsMaxRelL2 != got.RelL2 {
			t.Fatalf("%v, %d columns: %v without clipping, %v with none", s, cols, got.AbsMaxRelL2, got.RelL2)
		}
		if math.Signbit(got.Min) && got.Min == 0 || math.Signbit(got.Max) && got.Max == 0 {
			t.Fatalf("%v, %d columns: a negative zero is the least or the largest", s, cols)
		}
	})
}

// TestTilesAdd encodes a matrix as a whole, and cut in two at every row: every
// bit of the tally is the same.
func TestTilesAdd(t *testing.T) {
	const rows, cols = 12, 100
	eachBad := []float32{1, float32(math.NaN()), float32(math.Inf(1)), 1e9}
	r := rand.New(rand.NewPCG(5, 5))
	for _, s := range schemes {
		for _, bad := range eachBad {
			x := weights(rows * cols)
			for row := range rows {
				scale := float32(math.Ldexp(1, r.IntN(40)-20))
				for c := range cols {
					x[row*cols+c] *= scale
				}
			}
			x[r.IntN(len(x))], x[r.IntN(len(x))] = bad, bad
			whole := stored(t, x, cols, s, fastest)
			for cut := range rows + 1 {
				tally := stored(t, x[:cut*cols], cols, s, fastest).tally
				tally.Add(stored(t, x[cut*cols:], cols, s, fastest).tally)
				if tally != whole.tally {
					t.Fatalf("%v, cut at row %d: %+v, %+v; the whole has %+v, %+v", s, cut, tally.Figures(), tally.NaN, whole.tally.Figures(), whole.tally.NaN)
				}
			}
		}
	}
}

func TestOccurrences(t *testing.T) {
	const cols = 40
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	x := make([]float32, 6*cols)
	for i := range x {
		x[i] = 1
	}
	x[cols+7], x[cols+9], x[3*cols] = nan, nan, nan
	x[cols+39], x[4*cols+1] = inf, inf
	x[5*cols-1], x[6*cols-1] = 1e9, -1e9
	for _, k := range kernels() {
		for _, s := range schemes {
			m := stored(t, x, cols, s, k)
			overflow := Occurrence{}
			elements := int64(3 * cols)
			if s.Scale == dtype.F16 {
				overflow, elements = Occurrence{2, 5*cols - 1, 1e9}, 2*cols
			}
			want := [3]Occurrence{{3, cols + 7, 0}, {2, cols + 39, math.Inf(-1)}, overflow}
			if got := [3]Occurrence{m.tally.NaN, m.tally.Inf, m.tally.Overflow}; got != want {
				t.Errorf("%s, %v: NaN, Inf, overflow %v, want %v", k.name, s, got, want)
			}
			if f := m.tally.Figures(); f.Elements != elements || m.tally.Elements() != 6*cols || m.tally.Rows() != 6 {
				t.Errorf("%s, %v: %d elements have codes, of %d in %d rows", k.name, s, f.Elements, m.tally.Elements(), m.tally.Rows())
			}
		}
	}
}

// TestSQNR pins what eight bits cost on smooth data: an error of s/√12 against a
// peak of 127·s that is 3.3 to 4 deviations.
func TestSQNR(t *testing.T) {
	const rows, cols = 50, 2000
	m := stored(t, weights(rows*cols), cols, scheme(0, dtype.F32, AbsMax), fastest)
	if got := m.tally.Figures().SQNR(); got < 40 || got > 43 {
		t.Errorf("SQNR %v dB, want 40 to 43", got)
	}
	if got := (Figures{}).SQNR(); !math.IsInf(got, 1) {
		t.Errorf("SQNR %v dB without error, want +Inf", got)
	}
}
