package verify

import (
	"math"
	"slices"

	"colakit/reference/generate"
	"colakit/verify/metric"
)

// A golden's tokens that were drawn at random are compared like greedy ones: the
// engine draws the golden's id wherever it may draw it at all, and its own most
// probable one where it may not.

// drawn reports whether the golden's tokens were drawn at random.
func (s *session) drawn() bool {
	return !generate.Sampling{Temperature: s.info.Run.Temperature}.Greedy()
}

// fixedDraws makes the golden's ids the outcome of every draw that allows it.
type fixedDraws struct {
	session *session
	block   int
}

// Exponential fills one block's draws: a token is drawn that has the largest ratio of
// its probability to its draw.
func (d *fixedDraws) Exponential(dst []float32) {
	for i := range dst {
		dst[i] = 1
	}
	s := d.session
	each := s.cfg.DiT.BlockSize * s.cfg.VAE.PatchSize
	for i, sample := range s.info.Samples {
		if d.block >= len(sample.Blocks) {
			continue
		}
		for p, id := range sample.Blocks[d.block] {
			if at := (i*each+p)*s.cfg.VAE.VocabSize + int(id); p < each && id >= 0 && int(id) < s.cfg.VAE.VocabSize && at < len(dst) {
				dst[at] = 0x1p-64
			}
		}
	}
	d.block++
}

// leastDrawn returns the golden's smallest logit that its top-k and top-p leave in
// the draw, as sampled; ok is false where a part of it is not known.
func (s *session) leastDrawn(row metric.Reference, seen []int32) (least float64, ok bool) {
	r := s.info.Run
	var kept []float64
	for _, id := range row.IDs {
		v, _ := s.sampled(row, id, seen)
		kept = append(kept, v)
	}
	slices.SortFunc(kept, func(a, b float64) int { return compareNumbers(b, a) })
	if r.TopK <= 0 && len(row.IDs) < s.cfg.VAE.VocabSize || r.TopK > len(kept) || len(kept) == 0 {
		return 0, false
	}
	if r.TopK > 0 {
		kept = kept[:r.TopK]
	}
	if !(r.TopP > 0 && r.TopP < 1) {
		return kept[len(kept)-1], true
	}
	total, sum := 0.0, 0.0
	for _, v := range kept {
		total += math.Exp((v - kept[0]) / r.Temperature)
	}
	for i, v := range kept {
		if sum > r.TopP*total {
			return kept[i-1], true
		}
		sum += math.Exp((v - kept[0]) / r.Temperature)
	}
	return kept[len(kept)-1], true
}
