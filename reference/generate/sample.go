package generate

import (
	"fmt"
	"math"
	"slices"
)

// Sampling says how tokens are chosen from logits.
type Sampling struct {
	Temperature       float64 // below 1e-5 the most probable token is taken
	TopK              int     // the most probable tokens kept; 0 keeps all
	TopP              float64 // the share of probability kept; outside (0, 1) all of it
	RepetitionPenalty float64 // weakens tokens of earlier blocks; 1 does nothing
}

// Greedy reports whether sampling draws no random numbers.
func (s Sampling) Greedy() bool { return s.Temperature < 1e-5 }

func (s Sampling) validate() error {
	switch {
	case math.IsNaN(s.Temperature) || math.IsInf(s.Temperature, 0):
		return fmt.Errorf("a temperature of %v; it must be a finite number", s.Temperature)
	case math.IsNaN(s.TopP):
		return fmt.Errorf("a top-p of %v; it must be a number", s.TopP)
	case !(s.RepetitionPenalty > 0) || math.IsInf(s.RepetitionPenalty, 0):
		return fmt.Errorf("a repetition penalty of %v; it must be above 0 (1 is none)", s.RepetitionPenalty)
	}
	return nil
}

// Draws supplies the random numbers of sampled decoding.
type Draws interface {
	// Exponential fills dst with draws of the exponential distribution of rate 1.
	Exponential(dst []float32)
}

// Sample chooses one token for each row of logits [samples·rows, vocab], which it
// overwrites. seen holds the ids of every sample's earlier blocks, pinned
// positions included. Under Released the logits are bfloat16 numbers and so is
// the result of every operation on them. draws may be nil where s is greedy.
func Sample(logits []float32, vocab int, seen [][]int32, s Sampling, c Contract, draws Draws) ([]int32, error) {
	if vocab <= 0 || len(seen) == 0 || len(logits)%(vocab*len(seen)) != 0 {
		return nil, fmt.Errorf("%d logits for a vocabulary of %d and %d samples", len(logits), vocab, len(seen))
	}
	if !s.Greedy() && draws == nil {
		return nil, fmt.Errorf("a temperature of %v needs a source of random numbers", s.Temperature)
	}
	k := sampler{s, c.rounding()}
	rows := len(logits) / vocab
	ids := make([]int32, rows)
	for i := range ids {
		row := logits[i*vocab : (i+1)*vocab]
		k.finite(row)
		k.penalise(row, distinct(seen[i*len(seen)/rows], vocab))
		if s.Greedy() {
			ids[i] = argmax(row)
			continue
		}
		k.probabilities(row)
	}
	if !s.Greedy() {
		draw(ids, logits, draws)
	}
	return ids, nil
}

type sampler struct {
	Sampling
	round func(float32) float32
}

// finite replaces NaN by 0 and the infinities by ±10 000.
func (k sampler) finite(row []float32) {
	limit := k.round(1e4)
	for i, v := range row {
		switch {
		case v != v:
			row[i] = 0
		case v > math.MaxFloat32:
			row[i] = limit
		case v < -math.MaxFloat32:
			row[i] = -limit
		}
	}
}

// penalise weakens each of the ids once: a negative logit is multiplied by the
// penalty, another divided.
func (k sampler) penalise(row []float32, ids []int32) {
	if k.RepetitionPenalty == 1 {
		return
	}
	penalty := float32(k.RepetitionPenalty)
	for _, id := range ids {
		if v := row[id]; v < 0 {
			row[id] = k.round(v * penalty)
		} else {
			row[id] = k.round(v / penalty)
		}
	}
}

// distinct returns the ids below vocab, each once.
func distinct(ids []int32, vocab int) []int32 {
	once := slices.Clone(ids)
	slices.Sort(once)
	once = slices.Compact(once)
	return slices.DeleteFunc(once, func(id int32) bool { return id < 0 || int(id) >= vocab })
}

// argmax returns the index of the largest value, the lowest of equals.
func argmax(row []float32) int32 {
	best := 0
	for i, v := range row {
		if v > row[best] {
			best = i
		}
	}
	return int32(best)
}

// probabilities turns logits into the distribution that tokens are drawn from.
func (k sampler) probabilities(row []float32) {
	if k.Temperature != 1 {
		temperature := float32(k.Temperature)
		for i, v := range row {
			row[i] = k.round(v / temperature)
		}
	}
	k.keepTopK(row)
	k.keepTopP(row)
	k.softmax(row)
}

var never = float32(math.Inf(-1))

// keepTopK removes what is below the k-th largest logit; equals of it stay.
func (k sampler) keepTopK(row []float32) {
	if k.TopK <= 0 || k.TopK >= len(row) {
		return
	}
	least := kthLargest(row, k.TopK)
	for i, v := range row {
		if v < least {
			row[i] = never
		}
	}
}

// kthLargest keeps the k largest values in a heap with the least on top.
func kthLargest(row []float32, k int) float32 {
	heap := slices.Clone(row[:k])
	slices.Sort(heap)
	for _, v := range row[k:] {
		if v > heap[0] {
			heap[0] = v
			sink(heap)
		}
	}
	return heap[0]
}

func sink(heap []float32) {
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(heap); child++ {
			if heap[child] < heap[least] {
				least = child
			}
		}
		if least == i {
			return
		}
		heap[i], heap[least] = heap[least], heap[i]
		i = least
	}
}

// keepTopP keeps the most probable tokens up to and including the one whose
// cumulative probability passes TopP.
func (k sampler) keepTopP(row []float32) {
	if !(k.TopP > 0 && k.TopP < 1) {
		return
	}
	var order []int
	for i, v := range row {
		if v != never {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case row[a] > row[b]:
			return -1
		case row[a] < row[b]:
			return 1
		}
		return 0
	})
	sorted := make([]float32, len(order))
	for i, at := range order {
		sorted[i] = row[at]
	}
	k.softmax(sorted)
	limit, sum := k.round(float32(k.TopP)), 0.0
	for i, p := range sorted {
		if k.round(float32(sum)) > limit {
			for _, at := range order[i:] {
				row[at] = never
			}
			return
		}
		sum += float64(p)
	}
}

// softmax works in place. A row without a largest finite value becomes uniform.
func (k sampler) softmax(row []float32) {
	top := row[argmax(row)]
	sum := 0.0
	for i, v := range row {
		row[i] = float32(math.Exp(float64(v - top)))
		sum += float64(row[i])
	}
	total := float32(sum)
	for i, v := range row {
		if row[i] = k.round(v / total); row[i] != row[i] {
			row[i] = k.round(1 / float32(len(row)))
		}
	}
}

// draw takes from each row of probabilities the token with the largest p/q, q
// exponentially distributed: the same as drawing it with probability p.
func draw(ids []int32, probabilities []float32, draws Draws) {
	q := make([]float32, len(probabilities))
	draws.Exponential(q)
	vocab := len(probabilities) / len(ids)
	for i := range q {
		q[i] = probabilities[i] / q[i]
	}
	for i := range ids {
		ids[i] = argmax(q[i*vocab : (i+1)*vocab])
	}
}
