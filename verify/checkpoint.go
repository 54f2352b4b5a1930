package verify

import (
	"fmt"
	"slices"

	"colakit/verify/catalog"
)

const (
	// mostOfSection is the share of a section's operations with matrices that fail
	// where all of its weights are others.
	mostOfSection = 0.8
	// leastOfSection is the number of them that makes the share tell something.
	leastOfSection = 8
)

// otherWeights looks for a section whose weights are others as a whole: nearly every
// operation that uses any fails although it is fed the golden's inputs.
func (s *session) otherWeights(first *Comparison) string {
	if s.diagnosis == nil || s.diagnosis.Origin != OfWeights {
		return ""
	}
	failed := map[*catalog.Op]bool{}
	for _, c := range s.comparisons {
		if c.Mode == Isolated && c.op.Section == first.op.Section && c.op.Kind != catalog.Normalisation && c.Rule != "" && len(s.unit(c.site, c.op).Tensors) > 0 {
			failed[c.op] = failed[c.op] || c.Failed()
		}
	}
	n := 0
	for _, f := range failed {
		if f {
			n++
		}
	}
	if n < leastOfSection || float64(n) < mostOfSection*float64(len(failed)) {
		return ""
	}
	return fmt.Sprintf("%d of %d operations of the %v that use matrices fail on their own: its weights are another checkpoint's, or all of them were changed on the way, as by a cast", n, len(failed), first.op.Section)
}

// asOtherWeights puts the checkpoint before single tensors in what there is to do.
func (d *Diagnosis) asOtherWeights() {
	d.Do = slices.Insert(d.Do, 0, "Make sure that the artifact was converted from the checkpoint that the bundle was recorded from, at the same revision: colaconv inspect ARTIFACT names its source, bundle.json the bundle's.")
}
