package verify

import (
	"fmt"
	"slices"
)

// This file says what a verdict is worth: what it leaves out.

// Qualifier is what has to follow the verdict wherever it is printed: empty, or such
// as " of what was selected with 2 overrides".
func (r *Report) Qualifier() string { return qualifier(r.Selection != "", r.overrides()) }

// Qualifier is that of the reports together.
func (s *Suite) Qualifier() string {
	selected := false
	var overridden []string
	for _, r := range s.Reports {
		selected = selected || r.Selection != ""
		overridden = append(overridden, r.overrides()...)
	}
	slices.Sort(overridden)
	return qualifier(selected, slices.Compact(overridden))
}

// overrides lists the overridden rules that judged something.
func (r *Report) overrides() []string {
	var rules []string
	for _, o := range r.Overrides {
		if o.Compared > 0 {
			rules = append(rules, o.Rule)
		}
	}
	return rules
}

func qualifier(selected bool, overridden []string) string {
	text := ""
	if selected {
		text = " of what was selected"
	}
	if n := len(overridden); n > 0 {
		text += " with " + plural(n, "override")
	}
	return text
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
