package verify

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"colakit/formats/dtype"
	"colakit/golden"
	"colakit/reference/generate"
	"colakit/verify/metric"
)

// TokenCounts counts ids that were decoded from the golden's latents.
type TokenCounts struct {
	Compared int `json:"compared"`
	Match    int `json:"match"`
	TieFlip  int `json:"tie_flip"`
	Wrong    int `json:"wrong"`
	Unknown  int `json:"unknown"`
}

// Anchor is a block after which a generation went on with the golden's ids, and with
// its latents where these are recorded, for its own ids differed or its latents failed.
type Anchor struct {
	Block   int  `json:"block"`
	Tokens  bool `json:"tokens"`  // ids differed
	Latents bool `json:"latents"` // the golden's are recorded
}

// anchorNote says after which blocks a generation went on with the golden's values.
func anchorNote(anchors []Anchor) string {
	var blocks []string
	for _, a := range anchors {
		why, unknown := "failing latents", ""
		if a.Tokens {
			why = "other tokens"
		}
		if !a.Latents {
			unknown = ", its latents are not recorded"
		}
		blocks = append(blocks, fmt.Sprintf("block %d (%s%s)", a.Block, why, unknown))
	}
	return "the generation went on with the golden's tokens and latents after " + strings.Join(blocks, ", ")
}

// TokenFault is a generated id that is not the golden's.
type TokenFault struct {
	Sample   int     `json:"sample"`
	Block    int     `json:"block"`
	Position int     `json:"position"`
	Got      int32   `json:"got"`
	Want     int32   `json:"want"`
	Kind     string  `json:"kind"` // "tie-flip", "drift", "wrong", "unknown"; see Tokens
	Gap      float64 `json:"gap"`  // between the golden's logits of both ids, as sampled
}

// The kinds of a TokenFault.
const (
	tieFlip = "tie-flip"
	drifted = "drift"
	wrong   = "wrong"
	unknown = "unknown"
)

// maxTokenFaults bounds the list in a report.
const maxTokenFaults = 20

// compareTokens compares the generated ids and texts with the golden's.
func (s *session) compareTokens() Tokens {
	t := Tokens{
		Samples: len(s.info.Samples), Sampled: s.drawn(), Anchors: s.anchors,
		texts: s.options.Text != nil && s.results != nil && s.options.Select.All() && !s.drawn(),
	}
	for i, sample := range s.info.Samples {
		if !s.options.Select.Samples.Holds(i) {
			continue
		}
		s.compareSample(&t, i, sample)
		if t.texts && s.options.Text(s.ownText(i)) == sample.Text {
			t.TextSame++
		}
	}
	return t
}

// ownText returns the ids that follow a prompt, as they were generated.
func (s *session) ownText(sample int) []int32 {
	var ids []int32
	for b := range len(s.ids[Generation]) {
		ids = append(ids, s.ids[Generation][b][sample]...)
	}
	return ids[min(s.results[sample].Trim, len(ids)):]
}

func (s *session) compareSample(t *Tokens, i int, sample golden.Sample) {
	var seen []int32
	for b, want := range sample.Blocks {
		if s.selectsTokens(b) {
			s.compareBlock(t, i, b, want, seen)
		}
		seen = append(seen, want...)
	}
}

// compareBlock compares the ids of one block of a sample; seen are the golden's of
// the blocks before.
func (s *session) compareBlock(t *Tokens, sample, block int, want, seen []int32) {
	own, ofGolden := s.block(Generation, sample, block), s.block(Free, sample, block)
	reached := own != nil || s.results != nil // by the run, before it was stopped
	for p, id := range want {
		at := tokenPlace{sample, block, p, id, seen}
		anchored := ""
		if p < len(ofGolden) {
			anchored, _ = s.kind(at, ofGolden[p])
			t.noteGolden(anchored)
		}
		if !reached {
			continue
		}
		t.Compared++
		fault := TokenFault{Sample: sample, Block: block, Position: p, Got: -1, Want: id, Kind: drifted}
		if p < len(own) {
			fault.Got = own[p]
			fault.Kind, fault.Gap = s.kind(at, own[p])
		}
		if fault.Kind == wrong && anchored != wrong {
			fault.Kind = drifted
		}
		t.note(fault)
	}
}

// block returns the ids that a mode decoded for a block of a sample; nil for none.
func (s *session) block(m Mode, sample, block int) []int32 {
	if ids := s.ids[m][block]; sample < len(ids) {
		return ids[sample]
	}
	return nil
}

// tokenPlace is one token of the golden.
type tokenPlace struct {
	sample, block, position int
	want                    int32
	seen                    []int32 // before its block
}

// kind tells the golden's id, "", a tie and a wrong id from each other.
func (s *session) kind(at tokenPlace, got int32) (kind string, gap float64) {
	if got == at.want {
		return "", 0
	}
	known := s.knownLogits(at.block)
	row := at.sample*s.cfg.DiT.BlockSize*s.cfg.VAE.PatchSize + at.position
	if row >= len(known) {
		return unknown, 0
	}
	gap, ok := s.gap(known[row], at, got)
	if ok && math.Abs(gap) <= tieGap(s.overall(Generation), known, max(s.grown, s.grownLogits[at.block])) {
		return tieFlip, gap
	}
	return wrong, gap
}

// driftedBlocks lists the blocks with ids that only a measurement of what errors grow
// to in their logits can tell from ties.
func (s *session) driftedBlocks() []int {
	var blocks []int
	for b := range len(s.ids[Generation]) {
		var t Tokens
		for i, sample := range s.info.Samples {
			if b < len(sample.Blocks) && s.selectsTokens(b) && s.options.Select.Samples.Holds(i) {
				s.compareBlock(&t, i, b, sample.Blocks[b], slices.Concat(sample.Blocks[:b]...))
			}
		}
		if t.Drift > 0 {
			blocks = append(blocks, b)
		}
	}
	return blocks
}

// gap returns how far the golden's logits of both ids lie apart or, of ids drawn at
// random, how far the golden's is from being left out of the draw; ok is false where
// that is not known.
func (s *session) gap(row metric.Reference, at tokenPlace, got int32) (gap float64, ok bool) {
	want, known := s.sampled(row, at.want, at.seen)
	if s.drawn() {
		least, bounded := s.leastDrawn(row, at.seen)
		return want - least, known && bounded
	}
	own, held := s.sampled(row, got, at.seen)
	return want - own, known && held
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

// note counts an id.
func (t *Tokens) note(f TokenFault) {
	switch f.Kind {
	case "":
		t.Match++
		return
	case tieFlip:
		t.TieFlip++
	case wrong:
		t.Wrong++
	case unknown:
		t.Unknown++
	default:
		t.Drift++
	}
	if len(t.First) < maxTokenFaults {
		t.First = append(t.First, f)
	}
}

// noteGolden counts an id that was decoded from the golden's latents.
func (t *Tokens) noteGolden(kind string) {
	if t.Golden == nil {
		t.Golden = &TokenCounts{}
	}
	t.Golden.Compared++
	switch kind {
	case "":
		t.Golden.Match++
	case tieFlip:
		t.Golden.TieFlip++
	case wrong:
		t.Golden.Wrong++
	default:
		t.Golden.Unknown++
	}
}

// agreement presents the ids as rows of logits, for the policy. Those of which
// nobody knows whether they tie count as ties, or as other ids.
func (t Tokens) agreement(unknownTie bool) metric.Logits {
	l := metric.Logits{Rows: t.Compared, SameTop1: t.Match, Ties: t.TieFlip}
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
