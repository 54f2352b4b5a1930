package verify

import (
	"fmt"

	"colakit/formats/dtype"
	"colakit/golden"
	"colakit/reference/generate"
	"colakit/verify/metric"
)

// TokenFault is a generated id that is not the golden's.
type TokenFault struct {
	Sample   int     `json:"sample"`
	Block    int     `json:"block"`
	Position int     `json:"position"`
	Got      int32   `json:"got"`
	Want     int32   `json:"want"`
	Kind     string  `json:"kind"` // "tie-flip", "after tie", "drift", "unknown"
	Gap      float64 `json:"gap"`  // between the golden's logits of both ids, as sampled
}

// The kinds of a TokenFault.
const (
	tieFlip  = "tie-flip"  // the golden holds both for equal, within what its rule allows
	afterTie = "after tie" // an earlier tie of the sample changed what the repetition penalty sees
	drifted  = "drift"
	unknown  = "unknown" // the golden's logits of that block are not recorded
)

// maxTokenFaults bounds the list in a report.
const maxTokenFaults = 20

// drawn reports whether the golden's tokens were drawn at random.
func (s *session) drawn() bool {
	return !generate.Sampling{Temperature: s.info.Run.Temperature}.Greedy()
}

// compareTokens compares the generated ids and texts with the golden's.
func (s *session) compareTokens() Tokens {
	t := Tokens{Samples: len(s.info.Samples), Sampled: s.drawn(), texts: s.options.Text != nil && !s.drawn()}
	if t.Sampled {
		return t
	}
	t.texts = t.texts && s.results != nil && s.options.Select.All()
	for i, sample := range s.info.Samples {
		if !s.options.Select.Samples.Holds(i) {
			continue
		}
		s.compareSample(&t, i, sample)
		if t.texts && s.options.Text(s.results[i].Generated()) == sample.Text {
			t.TextSame++
		}
	}
	return t
}

func (s *session) compareSample(t *Tokens, i int, sample golden.Sample) {
	tied := false
	var seen []int32
	for b, want := range sample.Blocks {
		if !s.selectsTokens(b) || b >= len(s.ids) && s.results == nil {
			seen = append(seen, want...)
			continue
		}
		got := s.block(i, b)
		for p, id := range want {
			t.Compared++
			if p < len(got) && got[p] == id {
				t.Match++
				continue
			}
			fault := TokenFault{Sample: i, Block: b, Position: p, Got: -1, Want: id, Kind: drifted}
			if p < len(got) {
				fault.Got = got[p]
				fault.Kind, fault.Gap = s.kind(i, b, p, got[p], id, seen, tied)
			}
			tied = tied || fault.Kind == tieFlip
			t.note(fault)
		}
		seen = append(seen, want...)
	}
}

func (s *session) block(sample, block int) []int32 {
	if block < len(s.ids) {
		return s.ids[block][sample]
	}
	return nil
}

// kind tells a tie from a drift.
func (s *session) kind(sample, block, position int, got, want int32, seen []int32, tied bool) (kind string, gap float64) {
	known := s.references[block]
	each := s.cfg.DiT.BlockSize * s.cfg.VAE.PatchSize
	row := sample*each + position
	if row >= len(known) {
		return unknown, 0
	}
	a, okA := s.sampled(known[row], got, seen)
	b, okB := s.sampled(known[row], want, seen)
	f := s.overall(Generation)
	switch {
	case okA && okB && b-a <= tieGap(f, known, s.grown):
		return tieFlip, b - a
	case tied:
		return afterTie, b - a
	}
	return drifted, b - a
}

// sampled returns the golden's logit of an id as greedy decoding sees it: ids seen
// before are divided by the repetition penalty, or multiplied where negative.
func (s *session) sampled(row metric.Reference, id int32, seen []int32) (logit float64, ok bool) {
	logit, ok = row.Value(id)
	for _, old := range seen {
		if old != id {
			continue
		}
		penalty := float32(s.info.Run.RepetitionPenalty)
		v := float32(logit)
		if v < 0 {
			v *= penalty
		} else {
			v /= penalty
		}
		if s.contract == generate.Released {
			v = dtype.RoundBF16(v)
		}
		return float64(v), ok
	}
	return logit, ok
}

func (t *Tokens) note(f TokenFault) {
	switch f.Kind {
	case tieFlip:
		t.TieFlip++
	case afterTie:
		t.AfterTie++
	case unknown:
		t.Unknown++
	default:
		t.Drift++
	}
	if len(t.First) < maxTokenFaults {
		t.First = append(t.First, f)
	}
}

// agreement presents the ids as rows of logits, for the policy. Those of which
// nobody knows whether they tie count as ties, or as other ids.
func (t Tokens) agreement(unknownTie bool) metric.Logits {
	l := metric.Logits{Rows: t.Compared, SameTop1: t.Match, Ties: t.TieFlip + t.AfterTie}
	if unknownTie {
		l.Ties += t.Unknown
	}
	return l
}

// checkLayout compares how the loop divided the prompts with how the golden's did.
func (s *session) checkLayout() []string {
	var wrong []string
	for i, r := range s.results {
		want := s.info.Samples[i]
		for _, c := range []struct {
			what      string
			got, want float64
		}{
			{"prompt latents", float64(r.Latents), float64(want.PromptLatents)},
			{"prefix latents", float64(r.Prefix), float64(want.PrefixLatents)},
			{"pinned rows", float64(r.Pinned), float64(want.PinnedRows)},
			{"trimmed tokens", float64(r.Trim), float64(want.Trim)},
			{"guidance of the first block", r.FirstGuidance, want.FirstGuidance},
			{"blocks", float64(len(r.Blocks)), float64(s.blocksOf(want))},
		} {
			if c.got != c.want {
				wrong = append(wrong, fmt.Sprintf("sample %d: %s %v, the golden has %v", i, c.what, c.got, c.want))
			}
		}
	}
	return wrong
}

// blocksOf counts the blocks of a sample that a generation runs.
func (s *session) blocksOf(sample golden.Sample) int {
	if s.options.Select.All() {
		return len(sample.Blocks)
	}
	return min(len(sample.Blocks), s.plans[Generation].last+1)
}
