package metric

import (
	"math"
	"slices"
)

// Logits compares rows of logits as distributions over tokens: p is the
// reference's softmax, q the candidate's.
type Logits struct {
	Rows int `json:"rows"`
	// KL is Σ p·ln(p/q) of a row in nats. Where only the reference's largest
	// logits are known, the rest of the vocabulary counts as one more token: a
	// lower bound of the whole (data-processing inequality).
	KLMean   float64 `json:"kl_mean"`
	KLStdErr float64 `json:"kl_stderr"` // of the mean
	KLP99    float64 `json:"kl_p99"`
	KLMax    float64 `json:"kl_max"`
	// Grown is the mean KL that errors of the size that single operations make were
	// measured to grow to; 0 where that was not measured.
	Grown float64 `json:"grown,omitempty"`
	// DeltaP is the largest |p−q| of the reference's most probable token of a row,
	// DeltaPMean the mean of |p−q| over the rows.
	DeltaP       float64 `json:"delta_p"`
	DeltaPMean   float64 `json:"delta_p_mean"`
	DeltaPStdErr float64 `json:"delta_p_stderr"` // of the mean
	// SameTop1 counts rows whose most probable token is the same; Ties those of
	// the others where the reference holds both tokens for equal within the
	// given error.
	SameTop1 int `json:"same_top1"`
	Ties     int `json:"ties"`
	// Top1Share is SameTop1 / Rows, Top1StdErr is √(p·(1−p)/n) of it.
	Top1Share  float64 `json:"top1_share"`
	Top1StdErr float64 `json:"top1_stderr"`
}

// Agreement is the share of rows with the same most probable token, ties
// included; StdErr is √(p·(1−p)/n) of it.
func (l Logits) Agreement() (share, stdErr float64) {
	return proportion(l.SameTop1+l.Ties, l.Rows)
}

// proportion returns p = part/n, 1 of nothing, and √(p·(1−p)/n).
func proportion(part, n int) (p, stdErr float64) {
	if n == 0 {
		return 1, 0
	}
	p = float64(part) / float64(n)
	return p, math.Sqrt(p * (1 - p) / float64(n))
}

// Reference is what is known of the reference's logits in one row: the largest,
// descending, with their ids, and the logarithm of the sum of the exponentials
// of all of them.
type Reference struct {
	Values    []float64
	IDs       []int32
	LogSumExp float64
}

// Whole returns a row's Reference where all logits are known.
func Whole(logits []float64) Reference {
	ids, values := make([]int32, len(logits)), make([]float64, len(logits))
	for i, id := range Largest(logits, len(logits)) {
		ids[i], values[i] = int32(id), logits[id]
	}
	return Reference{values, ids, LogSumExp(logits)}
}

func descending(a, b float64) int {
	switch {
	case a > b:
		return -1
	case a < b:
		return 1
	}
	return 0
}

// Largest returns the places of the k largest numbers of a row (of all, if it has no
// more) in descending order, the first ones where they are equal. NaN counts as +∞.
func Largest(row []float64, k int) []int {
	key := func(i int) float64 {
		if math.IsNaN(row[i]) {
			return math.Inf(1)
		}
		return row[i]
	}
	order := make([]int, len(row))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return descending(key(a), key(b)) })
	return order[:min(k, len(order))]
}

// LogSumExp is ln Σ exp(x), computed without overflow.
func LogSumExp(x []float64) float64 {
	if len(x) == 0 {
		return math.Inf(-1)
	}
	top := slices.Max(x)
	if !finite(top) {
		return top
	}
	sum := 0.0
	for _, v := range x {
		sum += math.Exp(v - top)
	}
	return top + math.Log(sum)
}

// CompareLogits compares rows of the candidate's logits with the reference's.
// tie is the difference of two logits below which they count as equal.
func CompareLogits(got [][]float64, want []Reference, tie float64) Logits {
	l := Logits{Rows: len(want)}
	kls, deltas := make([]float64, 0, len(want)), make([]float64, 0, len(want))
	for i, ref := range want {
		kl := divergence(got[i], ref)
		kls = append(kls, kl)
		l.KLMax = larger(l.KLMax, kl)
		if len(ref.IDs) == 0 {
			continue
		}
		first := ref.IDs[0]
		p, q := math.Exp(ref.Values[0]-ref.LogSumExp), math.Exp(got[i][first]-LogSumExp(got[i]))
		deltas = append(deltas, math.Abs(p-q))
		l.DeltaP = larger(l.DeltaP, math.Abs(p-q))
		switch top := Top(got[i]); {
		case top == first:
			l.SameTop1++
		case Tied(ref, first, top, tie):
			l.Ties++
		}
	}
	l.KLMean, l.KLStdErr = meanAndError(kls)
	l.DeltaPMean, l.DeltaPStdErr = meanAndError(deltas)
	l.Top1Share, l.Top1StdErr = proportion(l.SameTop1, l.Rows)
	slices.SortFunc(kls, func(a, b float64) int { return -descending(a, b) })
	if n := len(kls); n > 0 {
		l.KLP99 = kls[int(math.Ceil(0.99*float64(n)))-1]
	}
	return l
}

// larger is max, but NaN wins.
func larger(a, b float64) float64 {
	if b != b || b > a {
		return b
	}
	return a
}

// divergence is KL(p‖q) over the reference's known tokens and the rest.
func divergence(got []float64, ref Reference) float64 {
	lse := LogSumExp(got)
	sum, restP, restQ := 0.0, 1.0, 1.0
	for i, id := range ref.IDs {
		logP, logQ := ref.Values[i]-ref.LogSumExp, got[id]-lse
		p := math.Exp(logP)
		restP -= p
		restQ -= math.Exp(logQ)
		if p > 0 {
			sum += p * (logP - logQ)
		}
	}
	if len(ref.IDs) < len(got) && restP > restNoise && restQ > restNoise {
		sum += restP * math.Log(restP/restQ)
	}
	return larger(0, sum) // a divergence is never negative, a rounded sum can be
}

// restNoise is what float64 leaves of 1 − Σp by rounding.
const restNoise = 0x1p-40

// Top returns the id of the largest logit, the lowest where several are equal.
func Top(logits []float64) int32 {
	top := 0
	for i, v := range logits {
		if v > logits[top] {
			top = i
		}
	}
	return int32(top)
}

// Tied reports whether the reference's logits of tokens a and b differ by no
// more than tie; a token outside the known ones is below the last of them.
func Tied(ref Reference, a, b int32, tie float64) bool {
	va, okA := ref.Value(a)
	vb, okB := ref.Value(b)
	return okA && okB && math.Abs(va-vb) <= tie
}

// Value returns the logit of an id, if it is known.
func (r Reference) Value(id int32) (float64, bool) {
	i := slices.Index(r.IDs, id)
	if i < 0 {
		return 0, false
	}
	return r.Values[i], true
}

func meanAndError(x []float64) (mean, stdErr float64) {
	n := float64(len(x))
	if n == 0 {
		return 0, 0
	}
	for _, v := range x {
		mean += v / n
	}
	if n < 2 {
		return mean, 0
	}
	sum := 0.0
	for _, v := range x {
		sum += (v - mean) * (v - mean)
	}
	return mean, math.Sqrt(sum / (n - 1) / n)
}
