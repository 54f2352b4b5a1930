package verify

import (
	"fmt"
	"slices"
	"strings"
)

// Story is a report in words for someone who never saw one: what is wrong, where,
// what speaks for it, and what to do.
type Story struct {
	What  string
	Where string // "" where nothing is wrong
	Why   []string
	Do    []string
}

// Story tells what the report holds.
func (r *Report) Story() Story {
	switch {
	case r.Verdict == Pass:
		return r.passStory()
	case r.Stopped != "" && r.Verdict == Incomplete:
		return Story{
			What: "Nothing is wrong so far, but the run ended early: " + r.Reason + ".",
			Why:  r.scale(),
			Do:   []string{"Run the same command again with more time, or select less."},
		}
	case r.Unjudged != "" && r.Verdict == Incomplete:
		return Story{
			What: "Figures without a verdict: " + r.Reason + ".",
			Why:  r.scale(),
			Do:   []string{"Read the tables, or run both sides under one contract."},
		}
	case r.Verdict == Incomplete:
		return Story{
			What: "Nothing is wrong, but it can't be said that everything is right: " + r.Reason + ".",
			Why:  r.scale(),
			Do:   []string{"Record a bundle that holds more: golden/export.py with a higher --taps level and without limits on blocks and steps."},
		}
	case r.Divergence == nil || len(r.Findings) > 0 && r.Findings[0].Phase == phaseNames.String():
		return r.plainStory()
	}
	return r.divergenceStory()
}

func (r *Report) passStory() Story {
	s := Story{What: fmt.Sprintf("Nothing is wrong: %s.", r.Reason), Why: r.scale()}
	if u := r.tightest(); u != nil {
		s.Why = append(s.Why, fmt.Sprintf("The tightest tolerance is that of “%s”: %s, at %s.", u.Name, figure(u.Check), u.Worst))
	}
	s.Do = []string{"Nothing has to be done."}
	if len(r.Notes) > 0 {
		s.Do = []string{"Nothing has to be done; the notes below say what this run could not show."}
	}
	return s
}

// tightest is the rule whose limit was used most.
func (r *Report) tightest() *RuleUse {
	var most *RuleUse
	for i := range r.Policy {
		if u := &r.Policy[i]; most == nil || u.Share > most.Share {
			most = u
		}
	}
	return most
}

// scale says how much was looked at.
func (r *Report) scale() []string {
	c := r.Coverage
	return []string{fmt.Sprintf("%d of %d recorded values, %d elements, were compared; %s.", c.Compared, c.Taps, c.Elements, r.outcome())}
}

// plainStory tells of failures that are no operation's.
func (r *Report) plainStory() Story {
	s := Story{What: "The candidate fails: " + r.Reason + ".", Why: r.scale()}
	if len(r.Findings) == 0 {
		return s
	}
	f := r.Findings[0]
	s.Where = fmt.Sprintf("%s: %s", f.Phase, f.Subject)
	switch {
	case f.Phase == phaseNames.String():
		s.Do = []string{"Make both sides show the same values: an engine has to ask for every site it computes, and a bundle has to be recorded at one level as a whole. Record the bundle again with golden/export.py, or mend the engine's taps."}
	case f.Subject == "text":
		s.Do = []string{"Compare the tokenizer of the artifact with the checkpoint's: colaconv inspect names it."}
	default:
		s.Do = []string{"Compare the artifact with the checkpoint the bundle was recorded from: colaconv diff CHECKPOINT ARTIFACT."}
	}
	return s
}

// divergenceStory tells of the earliest operation that fails.
func (r *Report) divergenceStory() Story {
	d := r.Divergence
	var s Story
	switch {
	case r.Recordings != nil:
		s.What = fmt.Sprintf("The recordings differ by more than the rules allow; first at %s: %s.", d.Op, d.Problem)
	case d.Mode == Isolated:
		s.What = fmt.Sprintf("%s computes something else than the golden although it is fed the golden's own inputs: %s.", d.Op, d.Problem)
	case d.Mode == Free:
		s.What = fmt.Sprintf("Every operation is right by itself, but errors add up to more than they should within a pass; first at %s: %s.", d.Op, d.Problem)
	default:
		s.What = fmt.Sprintf("Every pass is right by itself, but the generation drifts away from the golden's; first at %s: %s.", d.Op, d.Problem)
	}
	s.Where = d.Name
	if p, err := PlaceOf(d.Name); err == nil {
		s.Where = fmt.Sprintf("%s (%s)", p, d.Name)
	}
	s.Why = append(s.Why, r.evidence()...)
	s.Do = r.advice()
	return s
}

// evidence lists what speaks for the divergence.
func (r *Report) evidence() []string {
	d, s := r.Divergence, r.Divergence.Summary
	var why []string
	if s.N > 0 {
		why = append(why, fmt.Sprintf("rel-L2 %s, cosine %.6f; the largest error is %s at %v: got %.7g, wanted %.7g.", short(s.RelL2), s.Cosine, short(s.MaxAbs.Value), d.Index, s.MaxAbs.Got, s.MaxAbs.Want))
	}
	if d.Mode == Isolated && len(d.Inputs) > 0 {
		why = append(why, "It was fed the golden's "+strings.Join(d.Inputs, ", ")+", so what comes before it is not to blame.")
	}
	if d.Diagnosis != nil {
		why = append(why, d.Diagnosis.Finding)
		for _, line := range d.Diagnosis.MatchLines() {
			why = append(why, sentence(line))
		}
	}
	for _, p := range d.Pattern {
		why = append(why, sentence(p))
	}
	if n := r.explained(); n > 0 {
		why = append(why, fmt.Sprintf("%s more: explained by it.", plural(n, "finding")))
	}
	return why
}

func (r *Report) explained() int {
	n := 0
	for _, f := range r.Findings {
		if f.ExplainedBy != "" {
			n++
		}
	}
	return n
}

func sentence(text string) string {
	if text == "" || strings.HasSuffix(text, ".") {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// advice says what to look at, the likeliest first.
func (r *Report) advice() []string {
	d := r.Divergence
	var do []string
	if slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, "not made from the bundle's checkpoint") }) {
		do = append(do, "Convert the checkpoint that the bundle was recorded from, or record a bundle of this one: the artifact was made from other weights.")
	}
	if d.Diagnosis != nil && len(d.Diagnosis.Do) > 0 {
		return append(do, d.Diagnosis.Do...)
	}
	tensors := d.Suspects
	if len(tensors) == 0 {
		tensors = d.Tensors
	}
	if r.Recordings != nil {
		return append(do, fmt.Sprintf("Compare what the two were recorded in, listed above; the first value that is not bit-equal is %s.", r.Recordings.First))
	}
	uniform := slices.ContainsFunc(d.Pattern, func(p string) bool { return strings.HasPrefix(p, "uniform") })
	switch {
	case d.Summary.Mask.Mismatch > 0:
		do = append(do, fmt.Sprintf("Look for an overflow or a division by zero in %s: its inputs are the golden's, its result has NaN or infinity elsewhere.", d.Op))
	case d.Mode == Isolated && len(tensors) > 0 && len(tensors) <= 8 && !uniform:
		do = append(do, fmt.Sprintf("Compare %s with the checkpoint: colaconv diff CHECKPOINT ARTIFACT. If they differ, convert again.", names(tensors)))
	}
	switch {
	case d.Mode == Isolated && (uniform || len(d.Tensors) == 0):
		do = append(do, fmt.Sprintf("Read the code of %s side by side with the Python package's: a rounding, an epsilon, a formula or a layout differs, for this fails in every layer alike or uses no weight.", d.Op))
	case d.Mode == Isolated:
		do = append(do, fmt.Sprintf("If the tensors are the same, look at how the engine computes %s: orientation, bias, rounding of its result.", d.Op))
	default:
		do = append(do, "Look at what is carried from one operation to the next and is not recorded: element types between operations, caches, positions. A bundle of --taps ops shows more than one of a lower level.")
	}
	return do
}
