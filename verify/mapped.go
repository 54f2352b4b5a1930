package verify

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"

	"colakit/verify/catalog"
	"colakit/verify/operation"
)

// What a wrong weight has in common with the right one shows in the values, without a
// way to compute it otherwise having to be thought of before: a product whose weight
// was scaled is as much larger, and one whose rows were put into another order holds
// its channels in that order. A bias is taken off first, for it may have stayed.

// alike is how near two values have to be, in parts of their difference as it is, for
// one to be called the other's, changed.
const alike = 1e-3

// mapped says how the golden's value follows from the artifact's; "" where neither of
// these ways explains it.
func (i *investigation) mapped(golden, truth []float64, channels int) string {
	if i.call.Op().Kind != catalog.Product || len(i.call.Parts()) != 1 {
		return ""
	}
	for _, bias := range [][]float64{nil, i.bias(channels)} {
		e, x := without(golden, bias), without(truth, bias)
		if k, ok := scaled(e, x); ok {
			return fmt.Sprintf(" The golden's value%s is %.4g times the candidate's: the whole weight was scaled, or read with other scales.", unbiased(bias), k)
		}
		if order := reordered(e, x, channels); order != nil {
			return fmt.Sprintf(" The golden has the candidate's channels%s in another order (%s): the rows of the weight were rearranged.", unbiased(bias), orderText(order))
		}
	}
	return ""
}

func unbiased(bias []float64) string {
	if bias == nil {
		return ""
	}
	return ", its bias apart,"
}

// bias returns that of the operation; nil for none.
func (i *investigation) bias(channels int) []float64 {
	for _, t := range i.call.Tensors() {
		if v, err := i.call.Weights.Read(t.Name); err == nil && strings.HasSuffix(t.Name, ".bias") {
			if values, err := v.Float64s(); err == nil && len(values) == channels {
				return values
			}
		}
	}
	return nil
}

// without returns values less a bias.
func without(values, bias []float64) []float64 {
	if bias == nil {
		return values
	}
	out := slices.Clone(values)
	for k := range out {
		out[k] -= bias[k%len(bias)]
	}
	return out
}

// scaled reports whether e is x times one factor.
func scaled(e, x []float64) (k float64, ok bool) {
	var cross, own, before, after float64
	for i := range e {
		cross, own = cross+e[i]*x[i], own+x[i]*x[i]
	}
	if own == 0 {
		return 0, false
	}
	k = cross / own
	for i := range e {
		before += (e[i] - x[i]) * (e[i] - x[i])
		after += (e[i] - k*x[i]) * (e[i] - k*x[i])
	}
	return k, after <= alike*alike*before
}

// leastRows are as many as make it unlikely that two channels are the same by chance.
const leastRows = 3

// reordered returns, for every channel of e, the one of x that it is; nil where some
// have none, or all stand where they are.
func reordered(e, x []float64, channels int) []int {
	rows := len(x) / max(channels, 1)
	if rows < leastRows || channels < 2 {
		return nil
	}
	sorted := make([]int, channels)
	for c := range sorted {
		sorted[c] = c
	}
	slices.SortFunc(sorted, func(a, b int) int { return compareNumbers(x[a], x[b]) })
	near := alike * rms(e)
	order, taken, moved := make([]int, channels), make([]bool, channels), false
	for c := range order {
		from := nearest(e, x, channels, c, sorted, near)
		if from < 0 || taken[from] {
			return nil
		}
		order[c], taken[from], moved = from, true, moved || from != c
	}
	if !moved {
		return nil
	}
	return order
}

// nearest returns the channel of x that is channel c of e; −1 for none. sorted are the
// channels by their first row.
func nearest(e, x []float64, channels, c int, sorted []int, near float64) int {
	at := sort.Search(channels, func(k int) bool { return x[sorted[k]] >= e[c]-near })
	best, least := -1, near
	for ; at < channels && x[sorted[at]] <= e[c]+near; at++ {
		apart := 0.0
		for row := c; row < len(e); row += channels {
			apart = math.Max(apart, math.Abs(e[row]-x[row-c+sorted[at]]))
		}
		if apart <= least {
			best, least = sorted[at], apart
		}
	}
	return best
}

// orderText tells an order: where the first channels come from, or by how much all are
// turned.
func orderText(order []int) string {
	n := len(order)
	turned, reversed := true, true
	for c, from := range order {
		turned = turned && from == (c+order[0])%n
		reversed = reversed && from == n-1-c
	}
	switch {
	case reversed:
		return "the last first"
	case turned:
		by := order[0]
		if by > n/2 {
			by -= n
		}
		return fmt.Sprintf("each is that of channel %+d", by)
	}
	var parts []string
	moved := 0
	for c, from := range order {
		if c == from {
			continue
		}
		if moved++; moved <= 4 {
			parts = append(parts, fmt.Sprintf("%d is %d", c, from))
		}
	}
	if moved > 4 {
		parts = append(parts, "…")
	}
	return fmt.Sprintf("%s; %d of %d moved", strings.Join(parts, ", "), moved, n)
}

// emptyRow names a matrix of the operation whose row for a channel is 0 throughout; ""
// for none.
func (i *investigation) emptyRow(channel int, truth operation.Value) string {
	channels := truth.Shape[len(truth.Shape)-1]
	for _, t := range i.call.Tensors() {
		if len(t.Shape) < 2 || t.Shape[0] != channels {
			continue
		}
		values, ok := i.weight(t.Name)
		if !ok {
			continue
		}
		width := len(values) / channels
		if !slices.ContainsFunc(values[channel*width:(channel+1)*width], func(x float64) bool { return x != 0 }) {
			return fmt.Sprintf(" Row %d of %s is 0 throughout.", channel, t.Name)
		}
	}
	return ""
}
