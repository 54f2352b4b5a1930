package reference

import (
	"math"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
)

// topLogits is the number of largest logits that are shown of every row.
const topLogits = 64

// seeTop shows what identifies a row of logits without all of it: the largest ones
// and their ids, descending, the lower id first on ties, and log Σ e^logit.
func seeTop[T number](p *pass[T], logits value[T]) {
	k, rows := min(topLogits, logits.cols()), logits.rows()
	if p.wants("logits.", "top_values") || p.wants("logits.", "top_ids") {
		values, ids := value[T]{newMatrix[T](rows, k), logits.bf16}, make([]int32, rows*k)
		spread(p.workers, rows, 2*logits.cols(), func(from, to int) {
			for r := from; r < to; r++ {
				largest(logits.row(r), values.row(r), ids[r*k:(r+1)*k])
			}
		})
		p.see("logits.", "top_values", values)
		p.seeIDs("logits.", "top_ids", ids, rows, k)
	}
	if p.wants("logits.", "logsumexp") {
		sums := value[T]{m: newMatrix[T](rows, 1)}
		for r := range rows {
			sums.data()[r] = T(logSumExp(logits.row(r)))
		}
		p.see("logits.", "logsumexp", sums, rows)
	}
}

// largest writes the len(values) largest elements of row and their indices,
// descending. NaN counts as the largest.
func largest[T number](row, values []T, ids []int32) {
	n := 0
	for id, x := range row {
		if n == len(values) && !above(x, values[n-1]) {
			continue
		}
		n = min(n+1, len(values))
		at := n - 1
		for ; at > 0 && above(x, values[at-1]); at-- {
			values[at], ids[at] = values[at-1], ids[at-1]
		}
		values[at], ids[at] = x, int32(id)
	}
}

func above[T number](a, b T) bool { return a > b || a != a && b == b }

func logSumExp[T number](row []T) float64 {
	top := math.Inf(-1)
	for _, x := range row {
		top = math.Max(top, float64(x))
	}
	if math.IsInf(top, 0) || math.IsNaN(top) {
		return top
	}
	sum := 0.0
	for _, x := range row {
		sum += math.Exp(float64(x) - top)
	}
	return top + math.Log(sum)
}

// seeIDs shows token ids; there is nothing to replace.
func (p *pass[T]) seeIDs(module, op string, ids []int32, shape ...int) {
	if !p.wants(module, op) {
		return
	}
	site := p.at(module, op)
	view := tensor.View{Desc: tensor.Desc{Name: site.String(), Type: dtype.I32, Shape: shape}}
	for _, id := range ids {
		view.Data = append(view.Data, byte(id), byte(id>>8), byte(id>>16), byte(id>>24))
	}
	if err := p.tap.Record(site, view); err != nil {
		p.fail(err)
	}
}
