package verify

import (
	"fmt"
	"slices"
	"strings"
)

// This file says what a verdict is worth: what it leaves out.

// Qualifier is what has to follow the verdict wherever it is printed: empty, or
// " of what was selected".
func (r *Report) Qualifier() string {
	if r.Selection == "" {
		return ""
	}
	return " of what was selected"
}

// Qualifier is that of the reports, if they have one.
func (s *Suite) Qualifier() string {
	var all []string
	for _, r := range s.Reports {
		if q := r.Qualifier(); q != "" && !slices.Contains(all, q) {
			all = append(all, q)
		}
	}
	return strings.Join(all, " and")
}

// unfinished is the reason of a verdict on a run that was stopped.
func (r *Report) unfinished() string {
	text := fmt.Sprintf("%s: %d of %d selected taps compared", r.Stopped, r.Coverage.Compared, r.Coverage.Taps-r.Coverage.NotCompared[notSelected])
	for _, m := range modes {
		if n := r.Coverage.Unfinished[m]; n > 0 {
			text += fmt.Sprintf(", %d left %s", n, m)
		}
	}
	open := 0
	for _, c := range r.Comparisons {
		if c.Open != "" {
			open++
		}
	}
	if open > 0 {
		text += fmt.Sprintf("; %s beyond limits that the end of the run could have raised", plural(open, "value"))
	}
	return text
}
