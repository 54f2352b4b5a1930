package verify

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"colakit/formats/dtype"
	"colakit/verify/catalog"
	"colakit/verify/operation"
)

// residual says how a side's value differs from what the definition gives.
type residual struct {
	rows       int
	square     float64 // Σ (side − truth)²
	offset     float64 // share of it that is the same in every row of a channel
	factor     float64 // share of it that is in proportion to the channel's own values
	worst      int     // the channel with the most of it
	worstShare float64
	wrong      []int // rows that differ by a part of their own norm worth mentioning
}

// residualOf compares two values with channels along the last axis.
func residualOf(side, truth []float64, channels int) residual {
	r := residual{rows: len(truth) / max(channels, 1), worst: -1}
	var same, proportional, most float64
	for c := range channels {
		var diff, square, cross, own float64
		for at := c; at < len(truth); at += channels {
			d := side[at] - truth[at]
			diff, square = diff+d, square+d*d
			cross, own = cross+d*truth[at], own+truth[at]*truth[at]
		}
		r.square += square
		same += diff * diff / math.Max(float64(r.rows), 1)
		if own > 0 {
			proportional += cross * cross / own
		}
		if square > most {
			most, r.worst = square, c
		}
	}
	if r.square > 0 {
		r.offset, r.factor, r.worstShare = same/r.square, proportional/r.square, most/r.square
	}
	r.findRows(side, truth, channels)
	return r
}

// findRows lists the rows that hold more of the squared error than a thousandth of an
// even share.
func (r *residual) findRows(side, truth []float64, channels int) {
	for row := range r.rows {
		square := 0.0
		for c := range channels {
			d := side[row*channels+c] - truth[row*channels+c]
			square += d * d
		}
		if square*float64(r.rows) > 1e-3*r.square {
			r.wrong = append(r.wrong, row)
		}
	}
}

// describeEngine says where the engine's value differs from the definition's, where no
// other way explains it.
func (i *investigation) describeEngine(d *Diagnosis, truth operation.Value) {
	if len(d.Matches) > 0 {
		return
	}
	candidate, err := i.candidate.Float64s()
	channels := truth.Shape[len(truth.Shape)-1]
	if err != nil || len(candidate) != len(truth.Data) {
		return
	}
	r := residualOf(candidate, truth.Data, channels)
	if n := len(r.wrong); n > 0 && n < r.rows {
		d.Finding += fmt.Sprintf(" Of %d rows only %s differ.", r.rows, some(r.wrong))
	}
	switch {
	case r.rows >= 4 && r.worstShare > columnShare:
		d.Finding += fmt.Sprintf(" %.3g %% of the squared difference is in channel %d.", 100*r.worstShare, r.worst)
	case r.rows >= 4 && r.offset > columnShare:
		d.Finding += " The difference is the same in every row."
	case r.rows >= 4 && r.factor > columnShare:
		d.Finding += " In every channel it is in proportion to the value."
	}
	for _, in := range []string{catalog.Latents, catalog.Timesteps} {
		if _, ok := i.call.Inputs[in]; ok {
			d.Do = append(d.Do, fmt.Sprintf("Look at what the engine is given from outside of the pass, too: its %s are not replaced by the golden's.", strings.Trim(in, "()")))
		}
	}
}

// brokenWeights names the first weight of the operation that is not finite; "" for none.
func (i *investigation) brokenWeights() string {
	for _, d := range i.call.Tensors() {
		values, ok := i.weight(d.Name)
		if !ok {
			continue
		}
		for k, x := range values {
			if math.IsNaN(x) || math.IsInf(x, 0) {
				return fmt.Sprintf("One of them is no number: %s is %v at %v.", d.Name, x, index(int64(k), d.Shape))
			}
		}
	}
	return ""
}

// describeWeights says in which way the golden's weights differ from the artifact's,
// where that shows, and tells the rounding of stored weights from other weights.
func (i *investigation) describeWeights(d *Diagnosis, truth operation.Value) {
	stored, names := dtype.F32, []string(nil)
	for _, t := range i.call.Tensors() {
		stored, names = coarser(stored, t.Type), append(names, t.Name)
	}
	if len(d.Matches) > 0 && len(d.Matches[0].Tensors) > 0 {
		names = d.Matches[0].Tensors
	}
	again := fmt.Sprintf("Compare %s with the checkpoint: colaconv diff CHECKPOINT ARTIFACT. If they differ, convert again.", shortList(names))
	if len(d.Matches) > 0 {
		d.Do = append(d.Do, again)
		return
	}
	golden, err := i.golden.Float64s()
	channels := truth.Shape[len(truth.Shape)-1]
	if err != nil || len(golden) != len(truth.Data) {
		return
	}
	r := residualOf(golden, truth.Data, channels)
	d.explain(i.emptyBias())
	switch {
	case r.rows >= 4 && r.worstShare > columnShare:
		d.Finding += fmt.Sprintf(" %.3g %% of the squared difference is in channel %d: one row of a weight, or one element of a bias or a norm.", 100*r.worstShare, r.worst)
		d.explain(i.emptyRow(r.worst, truth))
	case d.explain(i.mapped(golden, truth.Data, channels)):
	case stored == dtype.F32 && d.explain(i.narrowed()):
	case rowsAlike(truth):
		// what is the same in every row says nothing of a bias
	case r.rows >= 4 && r.offset > columnShare:
		d.Finding += " The difference is the same in every row: a bias is another one, or missing."
	case r.rows >= 4 && r.factor > columnShare:
		d.Finding += " In every channel the golden is in proportion to the candidate: the scales of rows, or a norm's weight, are others."
	case stored != dtype.F32 && r.worstShare < noiseShare(channels):
		if times, known := i.roundingTimes(r.square, channels); known && !(times <= mostRounding) {
			d.Finding += notRounding(stored, times)
			break
		}
		d.Origin = OfRounding
		d.Finding = fmt.Sprintf("The engine is right: its value is what the artifact's weights give (rel-L2 %s). They are stored as %v, and the difference to the golden (%s, %.1f dB) is spread over all channels as their rounding spreads it; it is more than the policy grants that type.",
			short(d.Candidate), stored, short(i.apart), -20*math.Log10(i.apart))
		d.Do = append(d.Do, fmt.Sprintf("Store %s in a wider type (colaconv convert --rule 'REGEX=f16'), or scale it in smaller groups or with --clip mse.", shortList(names)))
	}
	d.Do = append(d.Do, again)
}

// explain adds a sentence that says what was done to a tensor, if there is one.
func (d *Diagnosis) explain(text string) bool {
	d.Finding += text
	d.Explained = d.Explained || text != ""
	return text != ""
}

// noiseShare is the part of the squared error that the worst of n channels may hold
// to call the error noise: sixteen times an even share.
func noiseShare(n int) float64 { return math.Min(16/float64(max(n, 1)), 0.5) }

// shortList names the first of some tensors without their shapes.
func shortList(tensors []string) string {
	if len(tensors) == 0 {
		return "the weights"
	}
	const most = 3
	text := names(tensors[:min(most, len(tensors))])
	if len(tensors) > most {
		text += ", …"
	}
	return text
}

// patternOfRounding takes the place of what failures of rounded weights seem to have
// in common: which of them exceed a limit is chance, not a place to look at.
func (s *session) patternOfRounding(first *Comparison, patterns []string) []string {
	failed, judged := 0, 0
	layers := map[int]bool{}
	for _, c := range s.comparisons {
		if c.Mode != Isolated || c.Rule != first.Rule {
			continue
		}
		judged++
		if c.Failed() {
			failed++
			layers[c.op.Layer] = true
		}
	}
	kept := []string{fmt.Sprintf("%d of %d values of weights of that type exceed the rule “%s”, in %s: which ones do is a matter of how their rows are distributed, not of code or mapping",
		failed, judged, first.Rule, plural(len(layers), "layer"))}
	return append(kept, slices.DeleteFunc(patterns, func(p string) bool { return !strings.Contains(p, "other operations fail") })...)
}
