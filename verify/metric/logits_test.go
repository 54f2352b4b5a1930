package metric

import (
	"math"
	"slices"
	"testing"
)

func TestLogSumExp(t *testing.T) {
	tests := []struct {
		in   []float64
		want float64
	}{
		{nil, math.Inf(-1)},
		{[]float64{3}, 3},
		{[]float64{1000, 1000}, 1000 + math.Ln2},
		{[]float64{-1000, -1000, -1000, -1000}, -1000 + 2*math.Ln2},
		{[]float64{math.Inf(-1), 0}, 0},
		{[]float64{math.Inf(1), 0}, math.Inf(1)},
	}
	for _, tt := range tests {
		if got := LogSumExp(tt.in); math.Abs(got-tt.want) > 1e-12 && got != tt.want {
			t.Errorf("%v: got %v, want %v", tt.in, got, tt.want)
		}
	}
}

// TestCompareLogitsKnownAnswer has p = (1/2, 1/4, 1/4) and q = (1/4, 1/2, 1/4):
// KL = 1/2·ln 2 − 1/4·ln 2 = ln(2)/4.
func TestCompareLogitsKnownAnswer(t *testing.T) {
	p := []float64{math.Log(2), 0, 0}
	q := []float64{5, 5 + math.Log(2), 5}
	whole := Whole(p)
	l := CompareLogits([][]float64{p, q}, []Reference{whole, whole}, 0.5)
	if math.Abs(l.KLMax-math.Ln2/4) > 1e-12 || math.Abs(l.KLMean-math.Ln2/8) > 1e-12 || math.Abs(l.KLStdErr-math.Ln2/8) > 1e-12 {
		t.Errorf("KL %v, mean %v ± %v", l.KLMax, l.KLMean, l.KLStdErr)
	}
	if math.Abs(l.DeltaPMean-0.125) > 1e-12 || math.Abs(l.DeltaPStdErr-0.125) > 1e-12 || l.Top1Share != 0.5 || math.Abs(l.Top1StdErr-math.Sqrt(0.125)) > 1e-12 {
		t.Errorf("Δp %v ± %v, same top-1 %v ± %v", l.DeltaPMean, l.DeltaPStdErr, l.Top1Share, l.Top1StdErr)
	}
	if l.SameTop1 != 1 || l.Ties != 0 || math.Abs(l.DeltaP-0.25) > 1e-12 {
		t.Errorf("got %+v", l)
	}
	if l = CompareLogits([][]float64{q}, []Reference{whole}, 0.7); l.Ties != 1 {
		t.Errorf("ln 2 is within 0.7: got %+v", l)
	}
	share, _ := l.Agreement()
	if share != 1 {
		t.Errorf("agreement %v, want 1", share)
	}
}

// TestDivergenceOfTheLargestIsALowerBound checks the coarse form against the whole.
func TestDivergenceOfTheLargestIsALowerBound(t *testing.T) {
	p, q := make([]float64, 50), make([]float64, 50)
	for i := range p {
		p[i] = 3 * math.Sin(float64(i))
		q[i] = p[i] + 0.3*math.Cos(float64(7*i))
	}
	whole := Whole(p)
	all := divergence(q, whole)
	last := 0.0
	for _, k := range []int{1, 5, 20, 50} {
		part := divergence(q, Reference{whole.Values[:k], whole.IDs[:k], whole.LogSumExp})
		if part < last-1e-12 || part > all+1e-12 {
			t.Errorf("top %d: %v, after %v; the whole is %v", k, part, last, all)
		}
		last = part
	}
	if math.Abs(last-all) > 1e-12 {
		t.Errorf("all 50: %v, want %v", last, all)
	}
}

func TestLogitsThatAreNotNumbersFail(t *testing.T) {
	l := CompareLogits([][]float64{{nan, 0}}, []Reference{Whole([]float64{1, 0})}, 0)
	if l.KLMean == l.KLMean || l.DeltaP == l.DeltaP {
		t.Errorf("NaN is hidden: %+v", l)
	}
}

func TestTopTakesTheLowestOfEquals(t *testing.T) {
	if got := Top([]float64{1, 3, 3, 2}); got != 1 {
		t.Errorf("got %d, want 1", got)
	}
}

func TestAgreementOfNothing(t *testing.T) {
	if share, e := (Logits{}).Agreement(); share != 1 || e != 0 {
		t.Errorf("got %v ± %v", share, e)
	}
}

func TestLargest(t *testing.T) {
	nan := math.NaN()
	for _, tt := range []struct {
		row  []float64
		k    int
		want []int
	}{
		{[]float64{1, 3, 2, 3}, 3, []int{1, 3, 2}}, // the lower id first
		{[]float64{1, 3}, 5, []int{1, 0}},
		{[]float64{1, nan, 3, nan}, 3, []int{1, 3, 2}},
		{nil, 2, []int{}},
	} {
		if got := Largest(tt.row, tt.k); !slices.Equal(got, tt.want) {
			t.Errorf("Largest(%v, %d) = %v, want %v", tt.row, tt.k, got, tt.want)
		}
	}
}
