package generate

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/internal/torch"
)

var (
	nan = float32(math.NaN())
	inf = float32(math.Inf(1))
)

func TestGreedy(t *testing.T) {
	for _, c := range []struct {
		reason   string
		contract Contract
		logits   []float32
		seen     []int32
		penalty  float64
		want     int32
	}{
		{"the largest", Exact, []float32{0, 3, 2}, nil, 1.1, 1},
		{"the lowest of equals", Exact, []float32{1, 3, 3}, nil, 1.1, 1},
		{"NaN counts 0", Exact, []float32{-1, nan, -2}, nil, 1.1, 1},
		{"+Inf counts 10 000", Exact, []float32{inf, 10001, 0}, nil, 1.1, 1},
		{"−Inf counts −10 000", Exact, []float32{-inf, -10001, -20000}, nil, 1.1, 0},
		{"+Inf counts 9984 in bfloat16", Released, []float32{9984, inf}, nil, 1, 0},
		{"positive is divided", Exact, []float32{3, 2.8}, []int32{0}, 1.1, 1},
		{"negative is multiplied", Exact, []float32{-1, -1.05}, []int32{0}, 1.1, 1},
		{"each id once", Exact, []float32{3, 2.7}, []int32{0, 0, 0}, 1.1, 0},
		{"a penalty of 1 is none", Exact, []float32{3, 2.99}, []int32{0}, 1, 0},
		{"below 1 it favours", Exact, []float32{3, 2.9}, []int32{1}, 0.9, 1},
		{"zero stays zero", Exact, []float32{0, -1}, []int32{0}, 1.1, 0},
		{"2.203125/1.1 rounds to 2 in bfloat16", Released, []float32{2, 2.203125}, []int32{1}, 1.1, 0},
		{"but not in float32", Exact, []float32{2, 2.203125}, []int32{1}, 1.1, 1},
	} {
		s := Sampling{RepetitionPenalty: c.penalty}
		got, err := Sample(c.logits, len(c.logits), [][]int32{c.seen}, s, c.contract, nil)
		if err != nil || got[0] != c.want {
			t.Errorf("%s: %v, %v; want %d", c.reason, got, err, c.want)
		}
	}
}

// TestRowsOfSamples: two samples of two rows; each is penalised for its own ids.
func TestRowsOfSamples(t *testing.T) {
	logits := []float32{2, 1.9, 2, 1.9, 2, 1.9, 2, 1.9}
	got, err := Sample(logits, 2, [][]int32{{0}, {1}}, Sampling{RepetitionPenalty: 1.1}, Exact, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int32{1, 1, 0, 0}, got); diff != "" {
		t.Error(diff)
	}
}

// ones draws 1 always: the most probable token wins.
type ones struct{}

func (ones) Exponential(dst []float32) {
	for i := range dst {
		dst[i] = 1
	}
}

// favour makes one token win whenever its probability is above 0.
type favour int

func (f favour) Exponential(dst []float32) {
	ones{}.Exponential(dst)
	dst[f] = 1e-30
}

// TestKept lists which tokens can be drawn at all; the sets are those of the
// public package's sampler.
func TestKept(t *testing.T) {
	logs := func(p ...float64) []float32 {
		l := make([]float32, len(p))
		for i := range p {
			l[i] = float32(math.Log(p[i]))
		}
		return l
	}
	for _, c := range []struct {
		reason string
		logits []float32
		s      Sampling
		want   []int32
	}{
		{"everything", logs(.1, .2, .3, .4), Sampling{Temperature: 1}, []int32{0, 1, 2, 3}},
		{"top-k", logs(.1, .2, .3, .4), Sampling{Temperature: 1, TopK: 2}, []int32{2, 3}},
		{"top-k keeps equals of the k-th", logs(.2, .2, .2, .4), Sampling{Temperature: 1, TopK: 2}, []int32{0, 1, 2, 3}},
		{"top-k above the vocabulary", logs(.1, .9), Sampling{Temperature: 1, TopK: 50}, []int32{0, 1}},
		{"top-p keeps the token that passes it", logs(.1, .2, .3, .4), Sampling{Temperature: 1, TopP: .5}, []int32{2, 3}},
		{"top-p below the first keeps the first", logs(.1, .2, .3, .4), Sampling{Temperature: 1, TopP: .01}, []int32{3}},
		{"top-p reached exactly is not passed", []float32{0, 0}, Sampling{Temperature: 1, TopP: .5}, []int32{0, 1}},
		{"top-p of 1 is off", logs(.1, .9), Sampling{Temperature: 1, TopP: 1}, []int32{0, 1}},
		{"top-p after top-k: .4/.7 passes .55", logs(.1, .2, .3, .4), Sampling{Temperature: 1, TopK: 2, TopP: .55}, []int32{3}},
		{"top-p alone: .4 does not", logs(.1, .2, .3, .4), Sampling{Temperature: 1, TopP: .55}, []int32{2, 3}},
		{"a low temperature sharpens first", logs(.1, .2, .3, .4), Sampling{Temperature: .1, TopP: .9}, []int32{3}},
		{"overflow to infinity makes a uniform row", []float32{3e38, 0}, Sampling{Temperature: .01}, []int32{0, 1}},
	} {
		c.s.RepetitionPenalty = 1
		var got []int32
		for token := range c.logits {
			logits := append([]float32{}, c.logits...)
			ids, err := Sample(logits, len(logits), [][]int32{nil}, c.s, Exact, favour(token))
			if err != nil {
				t.Fatal(err)
			}
			if ids[0] == int32(token) {
				got = append(got, ids[0])
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", c.reason, diff)
		}
	}
}

// TestDrawFrequencies draws often and counts: the shares must be the
// probabilities, within five standard errors.
func TestDrawFrequencies(t *testing.T) {
	want := []float64{.5, .25, .125, .125}
	const rows = 20000
	logits := make([]float32, 0, rows*len(want))
	for range rows {
		for _, p := range want {
			logits = append(logits, float32(math.Log(p)))
		}
	}
	ids, err := Sample(logits, len(want), [][]int32{nil}, Sampling{Temperature: 1, RepetitionPenalty: 1}, Exact, torch.New(1))
	if err != nil {
		t.Fatal(err)
	}
	count := make([]float64, len(want))
	for _, id := range ids {
		count[id]++
	}
	for token, p := range want {
		if deviation := math.Abs(count[token]/rows - p); !(deviation < 5*math.Sqrt(p*(1-p)/rows)) {
			t.Errorf("token %d drawn in %.4f of the cases, want %v", token, count[token]/rows, p)
		}
	}
}

func TestKthLargest(t *testing.T) {
	row := []float32{5, 1, 4, 4, -2, 9, 0, 7, 3}
	for k, want := range map[int]float32{1: 9, 2: 7, 3: 5, 4: 4, 5: 4, 6: 3, 9: -2} {
		if got := kthLargest(row, k); got != want {
			t.Errorf("%d-th largest: %v, want %v", k, got, want)
		}
	}
}

func TestSampleErrors(t *testing.T) {
	s := Sampling{RepetitionPenalty: 1}
	if _, err := Sample(make([]float32, 7), 2, [][]int32{nil}, s, Exact, nil); err == nil {
		t.Error("7 logits for a vocabulary of 2 pass")
	}
	s.Temperature = 1
	if _, err := Sample(make([]float32, 2), 2, [][]int32{nil}, s, Exact, nil); err == nil {
		t.Error("sampling without random numbers passes")
	}
}
