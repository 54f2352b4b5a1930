package verify

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestScaled(t *testing.T) {
	x := []float64{1, -2, 3, 0.5}
	for _, tt := range []struct {
		e  []float64
		k  float64
		ok bool
	}{
		{[]float64{2, -4, 6, 1}, 2, true},
		{[]float64{-1, 2, -3, -0.5}, -1, true},
		{[]float64{2, -4, 6, 1.1}, 0, false},
		{[]float64{0, 0, 0, 0}, 0, true},
	} {
		if k, ok := scaled(tt.e, x); ok != tt.ok || ok && k != tt.k {
			t.Errorf("%v: %v, %v", tt.e, k, ok)
		}
	}
	if _, ok := scaled([]float64{1}, []float64{0}); ok {
		t.Error("0 scaled")
	}
}

func TestReordered(t *testing.T) {
	const rows, channels = 5, 12
	random := rand.New(rand.NewPCG(1, 1))
	x := make([]float64, rows*channels)
	for i := range x {
		x[i] = random.NormFloat64()
	}
	with := func(order []int) []float64 {
		e := make([]float64, len(x))
		for i := range e {
			e[i] = x[i/channels*channels+order[i%channels]] * (1 + 1e-6*random.NormFloat64())
		}
		return e
	}
	straight, reversed, turned := make([]int, channels), make([]int, channels), make([]int, channels)
	for c := range channels {
		straight[c], reversed[c], turned[c] = c, channels-1-c, (c+11)%channels
	}
	swapped := slices.Clone(straight)
	swapped[2], swapped[7] = 7, 2
	for says, order := range map[string][]int{
		"the last first": reversed, "each is that of channel -1": turned, "2 is 7, 7 is 2; 2 of 12 moved": swapped,
	} {
		if got := reordered(with(order), x, channels); !slices.Equal(got, order) || orderText(got) != says {
			t.Errorf("%v, %q; want %v, %q", got, orderText(got), order, says)
		}
	}
	if got := reordered(with(straight), x, channels); got != nil {
		t.Errorf("nothing moved: %v", got)
	}
	other := with(reversed)
	other[3]++
	if got := reordered(other, x, channels); got != nil {
		t.Errorf("one channel is another: %v", got)
	}
	if got := reordered(with(reversed)[:2*channels], x[:2*channels], channels); got != nil {
		t.Errorf("of two rows: %v", got)
	}
}
