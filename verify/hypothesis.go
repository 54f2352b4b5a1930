package verify

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
	"colakit/verify/catalog"
	"colakit/verify/metric"
	"colakit/verify/operation"
)

const (
	// leftShare is the part of the distance between candidate and golden that a way to
	// compute the value may leave to call it the explanation. It is no tolerance: that
	// one is the operation's own.
	leftShare = 0.25
	// nearerShare is the part that one may leave to be worth a mention.
	nearerShare = 0.75
	// maxProducts bounds the multiplications that trying takes, a few seconds of them.
	maxProducts = 3e9
	// leastTried is the number of ways that are tried whatever they take.
	leastTried = 24
	// shownClosest is the number of ways that are named where none matches.
	shownClosest = 3
	// shownMatches bounds those that match.
	shownMatches = 4
)

// investigation computes one value anew, and compares both sides with it.
type investigation struct {
	call            *operation.Call
	candidate       tensor.View
	golden          tensor.View
	facts           Facts
	grown, grownMax float64 // of a chain, see Comparison
	retyped         bool    // the candidate's type is another than the golden's

	apart    float64 // rel-L2 of the candidate to the golden
	mismatch bool    // NaN or infinity on one side only
}

// measure compares the sides with each other.
func (i *investigation) measure(ctx context.Context) error {
	sum, err := metric.Compare(ctx, i.candidate, i.golden, metric.Options{Unit: i.facts.Type})
	i.apart, i.mismatch = sum.RelL2, sum.Mask.Mismatch > 0
	return err
}

// distance compares a side with a way to compute the value: by the rule that judges the
// operation, with the weights that were used for both.
func (i *investigation) distance(ctx context.Context, side string, v operation.Value) (metric.Summary, bool, error) {
	got := i.candidate
	if side == goldenSide {
		got = i.golden
	}
	f := i.facts
	f.Artifact = dtype.F32 // no weight is off: both sides have these
	judge, o := rule(f), metric.Options{Unit: f.Type}
	if judge != nil && judge.band != nil {
		o.Band = judge.band(f)
	}
	sum, err := metric.Compare(ctx, got, v.AsRun(i.call.Site.String()), o)
	if err != nil {
		return sum, false, err
	}
	fits := sum.Mask.Mismatch == 0 && (sum.RelL2 <= leftShare*i.apart || i.mismatch)
	if judge != nil {
		checks := judge.limits(f, sum)
		if i.grown > 0 {
			checks = amplified(checks, i.grown, i.grownMax)
		}
		fits = fits && failure(checks) == ""
	}
	return sum, fits, nil
}

// among returns the hypotheses about another value of the operation that explain this
// one, too.
func (i *investigation) among(ctx context.Context, hypotheses []Hypothesis) ([]Hypothesis, error) {
	var kept []Hypothesis
	for _, alt := range i.call.Alternatives() {
		at := slices.IndexFunc(hypotheses, func(h Hypothesis) bool {
			return h.Name == alt.Name && h.Says == alt.Says && h.Part == alt.Part
		})
		if at < 0 {
			continue
		}
		v, err := operation.Evaluate(i.call, alt)
		if err != nil {
			continue
		}
		if _, fits, err := i.distance(ctx, hypotheses[at].Side, v); err != nil {
			return nil, err
		} else if fits {
			kept = append(kept, hypotheses[at])
		}
	}
	return kept, nil
}

// conclude finds the side that the failure comes from, and tries the other ways.
func (i *investigation) conclude(ctx context.Context) (*Diagnosis, error) {
	if i.retyped && i.apart == 0 {
		return &Diagnosis{
			Origin: OfEngine, Finding: fmt.Sprintf("The numbers are the golden's; the engine only holds them in another type, %v.", i.candidate.Type),
			Do: []string{"Round the value where the contract does, and show it as it is held."},
		}, nil
	}
	truth, err := operation.Evaluate(i.call, operation.Alternative{})
	if err != nil {
		return &Diagnosis{Origin: Unknown, Finding: "It could not be computed anew: " + err.Error() + "."}, nil
	}
	candidate, own, err := i.distance(ctx, candidateSide, truth)
	if err != nil {
		return nil, err
	}
	golden, wanted, err := i.distance(ctx, goldenSide, truth)
	if err != nil {
		return nil, err
	}
	d := &Diagnosis{Candidate: candidate.RelL2, Golden: golden.RelL2}
	d.Origin = originOf(own, wanted, len(i.call.Modules()) > 0)
	if d.Origin == OfNeither {
		d.Finding = fmt.Sprintf("Both sides are what the model's definition gives, to within the operation's own rounding: the candidate's rel-L2 to it is %s, the golden's %s.", short(d.Candidate), short(d.Golden))
		return d, nil
	}
	if err := i.try(ctx, d, sides(d.Origin)); err != nil {
		return nil, err
	}
	i.tell(d, truth)
	return d, nil
}

func originOf(candidate, golden, weighted bool) Origin {
	switch {
	case candidate && golden:
		return OfNeither
	case golden:
		return OfEngine
	case candidate && weighted:
		return OfWeights
	case candidate:
		return OfGolden
	}
	return OfBoth
}

// sides are those whose value the definition does not give.
func sides(o Origin) []string {
	switch o {
	case OfEngine:
		return []string{candidateSide}
	case OfBoth:
		return []string{candidateSide, goldenSide}
	}
	return []string{goldenSide}
}

// try evaluates the alternatives against the given sides.
func (i *investigation) try(ctx context.Context, d *Diagnosis, sides []string) error {
	cost, spent := i.cost(), 0.0
	var all []Hypothesis
	for _, alt := range i.call.Alternatives() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if spent += cost; spent > maxProducts && d.Tried >= leastTried {
			d.LeftOut++
			continue
		}
		v, err := operation.Evaluate(i.call, alt)
		if err != nil {
			continue // a tensor that can't be read in that way
		}
		d.Tried++
		for _, side := range sides {
			sum, fits, err := i.distance(ctx, side, v)
			if err != nil {
				return err
			}
			h := Hypothesis{Alternative: alt, Side: side, RelL2: sum.RelL2, Apart: i.apart}
			if all = append(all, h); fits {
				d.Matches = append(d.Matches, h)
			}
		}
	}
	d.Matches = best(d.Matches)
	if len(d.Matches) == 0 {
		all = slices.DeleteFunc(all, func(h Hypothesis) bool { return !(h.RelL2 <= nearerShare*i.apart) })
		sort.SliceStable(all, func(a, b int) bool { return all[a].RelL2 < all[b].RelL2 })
		d.Closest = all[:min(shownClosest, len(all))]
	}
	return nil
}

// best orders matches: those that are about as near as the nearest one first, in the
// order of the catalogue, which begins with the likeliest.
func best(matches []Hypothesis) []Hypothesis {
	if len(matches) == 0 {
		return nil
	}
	least := slices.MinFunc(matches, func(a, b Hypothesis) int { return compareNumbers(a.RelL2, b.RelL2) }).RelL2
	sort.SliceStable(matches, func(a, b int) bool {
		return matches[a].RelL2 <= growthFactor*least && matches[b].RelL2 > growthFactor*least
	})
	return matches[:min(shownMatches, len(matches))]
}

// cost counts the multiplications of one evaluation.
func (i *investigation) cost() float64 {
	n := 0.0
	for _, path := range i.call.Parts() {
		op := i.call.Run.Catalog().Op(path)
		rows, cols := i.call.Size(path)
		terms := float64(max(op.Terms, 1))
		if op.Kind == catalog.Attention {
			terms = i.facts.Position + 1
		}
		n += float64(rows) * float64(cols) * terms
	}
	return n
}

// tell puts a diagnosis into words.
func (i *investigation) tell(d *Diagnosis, truth operation.Value) {
	op := i.call.Op().Path
	switch d.Origin {
	case OfEngine:
		d.Finding = fmt.Sprintf("The engine computes %s otherwise than the model defines it: of the golden's inputs and the artifact's weights the definition gives the golden's value (rel-L2 %s), not the candidate's (%s).",
			op, short(d.Golden), short(d.Candidate))
		i.describeEngine(d, truth)
	case OfWeights:
		d.Finding = fmt.Sprintf("The engine is right: its value is what the artifact's weights give (rel-L2 %s). The golden's is not (%s): it was computed from other weights.",
			short(d.Candidate), short(d.Golden))
		if broken := i.brokenWeights(); broken != "" {
			d.Finding = "The engine is right: its value is what the artifact's weights give. " + broken
		}
		i.describeWeights(d, truth)
	case OfGolden:
		d.Finding = fmt.Sprintf("The engine is right: its value is what the model's definition gives of the golden's inputs (rel-L2 %s). The golden's own is not (%s).", short(d.Candidate), short(d.Golden))
		d.Do = append(d.Do, "Record the bundle again: its value does not follow from its inputs.")
	case OfBoth:
		d.Finding = fmt.Sprintf("Neither side is what the model's definition gives of the golden's inputs and the artifact's weights: the candidate's rel-L2 to it is %s, the golden's %s.", short(d.Candidate), short(d.Golden))
	}
	for k, h := range d.Matches {
		if do := h.Do; k == 0 || !slices.Contains(d.Do, sentence(do)) {
			d.Do = append(d.Do, sentence(do))
		}
	}
}

// MatchLines tells the matches, or the closest ways, in lines.
func (d *Diagnosis) MatchLines() []string {
	var lines []string
	for k, h := range d.Matches {
		line := h.String()
		if k == 0 && d.Also != "" {
			line += "; so does " + d.Also
		}
		lines = append(lines, line)
	}
	if len(d.Matches) > 0 || d.Tried == 0 || d.Explained {
		return lines
	}
	var near []string
	for _, h := range d.Closest {
		near = append(near, fmt.Sprintf("if %s, %s from the %s", h.Says, short(h.RelL2), h.Side))
	}
	line := fmt.Sprintf("none of %s to compute it explains it", plural(d.Tried, "other way"))
	if len(near) > 0 {
		line += "; the closest: " + strings.Join(near, "; ")
	}
	if d.LeftOut > 0 {
		line += fmt.Sprintf("; %d more would have taken too long", d.LeftOut)
	}
	return append(lines, line)
}
