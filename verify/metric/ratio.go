package metric

import (
	"context"
	"fmt"
	"math"

	"colakit/formats/tensor"
)

// Ratio compares the errors of two sides against the exact value x: the
// candidate's a−x and the reference's own e−x, over the elements that are finite
// on all three sides. A candidate that rounds where the reference does has the
// same error, one that rounds less a smaller one.
type Ratio struct {
	N int64 `json:"n"` // elements

	Golden       float64 `json:"golden"`        // rms(e−x)
	Candidate    float64 `json:"candidate"`     // rms(a−x)
	GoldenMax    float64 `json:"golden_max"`    // max|e−x|
	CandidateMax float64 `json:"candidate_max"` // max|a−x|
	Exact        float64 `json:"exact"`         // rms(x)

	// RMS is R_rms = rms(a−x) / rms(e−x), Max is R_max = max|a−x| / max|e−x|; 1
	// where both errors are 0, the largest float64 where only the reference's is.
	RMS float64 `json:"r_rms"`
	Max float64 `json:"r_max"`

	// Spread is √Σc² / Σ(e−x)² with c = (a−x)² − (e−x)²: one standard deviation of
	// R_rms² for two sides that do the same but for the order of their sums. Then
	// either could have been the other, so that every c has any sign with equal
	// probability.
	Spread float64 `json:"spread"`
}

// GoldenRelative is the reference's own error, rms(e−x)/rms(x).
func (r Ratio) GoldenRelative() float64 { return r.Golden / math.Max(r.Exact, tiny) }

// CandidateRelative is the candidate's error, rms(a−x)/rms(x).
func (r Ratio) CandidateRelative() float64 { return r.Candidate / math.Max(r.Exact, tiny) }

// Ratios measures got and want against the exact value. The shapes must be equal;
// the types may be any floating-point types.
func Ratios(ctx context.Context, got, want, exact tensor.View) (Ratio, error) {
	if !got.Shape.Equal(want.Shape) || !exact.Shape.Equal(want.Shape) {
		return Ratio{}, fmt.Errorf("%s: shapes %v and, exactly, %v, want %v", want.Name, got.Shape, exact.Shape, want.Shape)
	}
	if err := checkFloats(got, want, exact); err != nil {
		return Ratio{}, err
	}
	n := len(want.Data) / want.Type.Size()
	parts, err := divide(ctx, n, 1, func(ctx context.Context, from, to int) (errorSums, error) {
		return errorsOf(ctx, got, want, exact, from, to)
	})
	if err != nil {
		return Ratio{}, err
	}
	var all errorSums
	for _, p := range parts {
		all.merge(p)
	}
	return all.ratio(), nil
}

// errorSums are what a Ratio is made of.
type errorSums struct {
	n                       int64
	golden, candidate       float64 // Σ(e−x)², Σ(a−x)²
	exact, changes          float64 // Σx², Σ((a−x)² − (e−x)²)²
	goldenMax, candidateMax float64
}

// errorsOf sums up the elements from…to.
func errorsOf(ctx context.Context, got, want, exact tensor.View, from, to int) (s errorSums, err error) {
	var a, e, x [chunk]float64
	for at := from; at < to; at += chunk {
		if err := ctx.Err(); err != nil {
			return s, err
		}
		m := min(chunk, to-at)
		for _, side := range []struct {
			dst []float64
			src tensor.View
		}{{a[:m], got}, {e[:m], want}, {x[:m], exact}} {
			if err := decode(side.dst, side.src, at); err != nil {
				return s, err
			}
		}
		s.add(a[:m], e[:m], x[:m])
	}
	return s, nil
}

// add takes elements of all sides. Those that are not finite are left out.
func (s *errorSums) add(got, want, exact []float64) {
	all := sumErrors(got, want, exact)
	if finite(all.golden + all.candidate) {
		s.merge(all)
		return
	}
	for i := range exact {
		one := sumErrors(got[i:i+1], want[i:i+1], exact[i:i+1])
		if finite(one.golden + one.candidate) {
			s.merge(one)
		}
	}
}

func sumErrors(got, want, exact []float64) errorSums {
	var l [errorSumsOfLane]perLane
	addErrors(got, want, exact, &l)
	return errorSums{
		n:      int64(len(exact)),
		golden: l[sumGolden].sum(), candidate: l[sumCandidate].sum(), exact: l[sumExact].sum(), changes: l[sumChanges].sum(),
		goldenMax: l[maxGolden].max(), candidateMax: l[maxCandidate].max(),
	}
}

func (s *errorSums) merge(t errorSums) {
	s.n += t.n
	s.golden, s.candidate = s.golden+t.golden, s.candidate+t.candidate
	s.exact, s.changes = s.exact+t.exact, s.changes+t.changes
	s.goldenMax, s.candidateMax = max(s.goldenMax, t.goldenMax), max(s.candidateMax, t.candidateMax)
}

func (s errorSums) ratio() Ratio {
	n := math.Max(float64(s.n), 1)
	return Ratio{
		N:      s.n,
		Golden: math.Sqrt(s.golden / n), Candidate: math.Sqrt(s.candidate / n), Exact: math.Sqrt(s.exact / n),
		GoldenMax: s.goldenMax, CandidateMax: s.candidateMax,
		RMS: quotient(math.Sqrt(s.candidate), math.Sqrt(s.golden)), Max: quotient(s.candidateMax, s.goldenMax),
		Spread: s.spread(),
	}
}

// quotient is a/b, 1 where both are 0; never infinite, for JSON has no infinity.
func quotient(a, b float64) float64 {
	if a == 0 && b == 0 {
		return 1
	}
	return math.Min(a/b, math.MaxFloat64)
}

func (s errorSums) spread() float64 {
	if s.changes == 0 {
		return 0
	}
	return quotient(math.Sqrt(s.changes), s.golden)
}
