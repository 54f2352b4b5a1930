package selftest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"colakit/formats/tensor"
	"colakit/verify"
)

// Result is what was said of one case.
type Result struct {
	Name     string  `json:"name"`
	Group    Group   `json:"group"`
	Imitates string  `json:"imitates"`
	Bundle   string  `json:"bundle"`
	Right    bool    `json:"right"`
	Problem  string  `json:"problem,omitempty"` // why it is not
	Skipped  string  `json:"skipped,omitempty"` // why the engine could not be asked
	Verdict  string  `json:"verdict"`           // PASS, FAIL, INCOMPLETE, or DAMAGED and REFUSED for an error
	Located  string  `json:"located,omitempty"` // the first tap that fails, or what stands in its place
	Wanted   string  `json:"wanted"`
	Said     string  `json:"said,omitempty"` // what points to the cause
	Seconds  float64 `json:"seconds"`
}

// The verdicts of errors.
const (
	damaged = "DAMAGED" // wraps tensor.ErrDamaged: exit code 3
	refused = "REFUSED"
)

// judge compares what was said with what is wanted.
func (t *trial) judge(r *verify.Report, err error) Result {
	result := Result{Name: t.Name, Group: t.Group, Imitates: t.Imitates, Bundle: t.Bundle, Wanted: t.Want.String()}
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		result.Skipped, result.Right = err.Error(), true
		return result
	case err != nil:
		result.Verdict, result.Located = refused, err.Error()
		if errors.Is(err, tensor.ErrDamaged) {
			result.Verdict = damaged
		}
		result.Problem = t.misjudgedError(err)
	default:
		result.Verdict, result.Located, result.Said = string(r.Verdict), located(r), t.said(r)
		result.Problem = t.misjudged(r)
	}
	if len(t.Inject.Values) > 0 && err == nil && t.spoilt.Load() == 0 {
		result.Problem = "nothing was spoilt"
		switch {
		case t.partial:
			result.Skipped, result.Problem = "the engine does not show the value", ""
		case t.Optional:
			result.Skipped, result.Problem = "it changes nothing in this model", ""
		}
	}
	result.Right = result.Problem == ""
	return result
}

// String says what is wanted, in a few words.
func (w Want) String() string {
	switch {
	case w.Error != "" && w.Damaged:
		return damaged + " " + w.Error
	case w.Error != "":
		return refused + " " + w.Error
	case w.Op == "":
		return string(w.verdict())
	case strings.HasSuffix(w.At, "/"):
		return w.At + "…" + w.Op
	}
	return w.Op
}

func (w Want) verdict() verify.Verdict {
	if w.Verdict == "" {
		return verify.Fail
	}
	return w.Verdict
}

func (w Want) phase() string {
	if w.Phase == "" {
		return string(verify.Isolated)
	}
	return w.Phase
}

func (t *trial) misjudgedError(err error) string {
	w := t.Want
	switch {
	case errors.Is(err, errInjection) || w.Error == "":
		return err.Error()
	case !strings.Contains(err.Error(), w.Error):
		return fmt.Sprintf("the error does not say %q", w.Error)
	case strings.Contains(err.Error(), "\n"):
		return "the error has several lines"
	case errors.Is(err, tensor.ErrDamaged) != w.Damaged:
		return fmt.Sprintf("damage or not: %v, wanted %v", !w.Damaged, w.Damaged)
	}
	return ""
}

// misjudged says what is wrong about a report; "" if nothing is.
func (t *trial) misjudged(r *verify.Report) string {
	w := t.Want
	switch {
	case w.Error != "":
		return fmt.Sprintf("a report, wanted an error that says %q", w.Error)
	case r.Verdict != w.verdict():
		return fmt.Sprintf("verdict %s, wanted %s: %s", r.Verdict, w.verdict(), r.Reason)
	case r.Verdict == verify.Fail:
		if why := t.mislocated(r); why != "" {
			return why
		}
	case r.Coverage.Missing != nil || r.Coverage.Extra != nil:
		return fmt.Sprintf("taps on one side only, %d and %d", len(r.Coverage.Missing), len(r.Coverage.Extra))
	}
	all := everything(r)
	for _, say := range w.Says {
		if !strings.Contains(all, say) {
			return fmt.Sprintf("does not say %q", say)
		}
	}
	return ""
}

// mislocated says what is wrong about the place and the tensors that a report names.
func (t *trial) mislocated(r *verify.Report) string {
	w, first, d := t.Want, r.Findings[0], r.Divergence
	if first.Phase != w.phase() {
		return fmt.Sprintf("the first finding is of phase %q, wanted %q", first.Phase, w.phase())
	}
	if first.Subject != w.Op && (d == nil || d.Op != w.Op) && !t.fused(d) {
		return fmt.Sprintf("located at %s, wanted %s", first.Subject, w.Op)
	}
	if w.At != "" && (d == nil || !strings.Contains(d.Name, w.At)) {
		return fmt.Sprintf("the first tap is not one of %s", w.At)
	}
	if w.Tensor != "" && (d == nil || !names(d.Tensors, w.Tensor) || len(d.Suspects) > 0 && !names(d.Suspects, w.Tensor)) {
		return "does not name " + w.Tensor
	}
	if w.Hypothesis != "" && !explained(d, w.Hypothesis) {
		return fmt.Sprintf("the hypothesis %q is not said to match", w.Hypothesis)
	}
	for _, later := range r.Findings[1:] {
		if later.Phase == string(verify.Free) && later.ExplainedBy == "" {
			return later.Subject + " is not explained by the first finding"
		}
	}
	return ""
}

// fused reports whether the wanted operation is one that the engine does not show,
// within the unit that a divergence names.
func (t *trial) fused(d *verify.Divergence) bool {
	return t.partial && d != nil && slices.Contains(d.Unit, t.Want.Op)
}

// names reports whether a list of "name shape type" holds a tensor.
func names(list []string, tensor string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return strings.HasPrefix(s, tensor+" ") })
}

// located returns the first tap that fails.
func located(r *verify.Report) string {
	switch {
	case len(r.Findings) == 0:
		return ""
	case r.Divergence == nil || r.Findings[0].Phase == "names" || r.Findings[0].Phase == "tokens":
		return r.Findings[0].Subject
	}
	return r.Divergence.Name
}

// matches lists what was found by computing the operation in other ways.
func matches(d *verify.Divergence) []string {
	if d.Diagnosis == nil {
		return nil
	}
	lines := []string{d.Diagnosis.Finding}
	for _, h := range d.Diagnosis.Matches {
		lines = append(lines, h.Says)
	}
	return lines
}

// explained reports whether an alternative is said to match.
func explained(d *verify.Divergence, name string) bool {
	return d != nil && d.Diagnosis != nil &&
		slices.ContainsFunc(d.Diagnosis.Matches, func(h verify.Hypothesis) bool { return h.Name == name })
}

// everything joins all that a report says in words.
func everything(r *verify.Report) string {
	lines := append([]string{r.Reason}, r.Notes...)
	for _, f := range r.Findings {
		lines = append(lines, f.Subject+": "+f.Text)
	}
	if d := r.Divergence; d != nil {
		lines = append(append(lines, d.Problem), d.Pattern...)
		lines = append(lines, matches(d)...)
	}
	lines = append(lines, slices.Collect(maps.Keys(r.Coverage.NotRecorded))...)
	return strings.Join(lines, "\n")
}

// matching says which way of computing it matches, the wanted one first.
func (t *trial) matching(list []verify.Hypothesis) string {
	best := list[0]
	for _, h := range list {
		if h.Name == t.Want.Hypothesis {
			best = h
			break
		}
	}
	return fmt.Sprintf("the %s matches if %s", best.Side, best.Says)
}

// said picks what points to the cause: a hypothesis that matches, else the line that
// says what is wanted, else the pattern.
func (t *trial) said(r *verify.Report) string {
	d := r.Divergence
	if r.Verdict == verify.Pass || d == nil {
		return r.Reason
	}
	if d.Diagnosis != nil && len(d.Diagnosis.Matches) > 0 {
		return t.matching(d.Diagnosis.Matches)
	}
	for _, say := range t.Want.Says {
		for line := range strings.SplitSeq(everything(r), "\n") {
			if strings.Contains(line, say) {
				return line
			}
		}
	}
	return strings.Join(d.Pattern, "; ")
}
