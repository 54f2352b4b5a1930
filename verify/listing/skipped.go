package listing

import (
	"fmt"
	"maps"
	"slices"

	"colakit/verify"
)

// skippedCases say what was not compared, and why: one case for each reason.
func skippedCases(r *verify.Report) []testCase {
	var cases []testCase
	add := func(n int, what, why string) {
		if n > 0 {
			cases = append(cases, testCase{Class: "coverage", Name: clean(what), Skipped: &skipped{clean(fmt.Sprintf("%d: %s", n, why))}})
		}
	}
	c := r.Coverage
	for _, reason := range slices.Sorted(maps.Keys(c.NotRecorded)) {
		add(c.NotRecorded[reason], reason, "values of the engine that the bundle does not record")
	}
	for _, reason := range slices.Sorted(maps.Keys(c.NotCompared)) {
		add(c.NotCompared[reason], reason, "taps of the bundle that were not compared")
	}
	for _, m := range []verify.Mode{verify.Isolated, verify.Free, verify.Generation} {
		add(c.Unfinished[m], string(m), "taps that were left when the run was stopped")
	}
	add(c.Replaced, "replaced by an AdaLN table", "taps whose operations the artifact has a table for")
	add(c.Unjudged, "shown, not judged", "comparisons without a rule of the policy")
	return cases
}
