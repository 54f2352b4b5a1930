package operation

import (
	"testing"

	"colakit/formats/dtype"
	"colakit/golden"
	"colakit/reference/generate"
)

// calls returns the calls of a bundle's values, of the first layers and of passes that
// are unlike.
func calls(t *testing.T, b *golden.Bundle, w weights) []*Call {
	t.Helper()
	run, err := NewRun(&b.Info)
	check(t, err)
	var list []*Call
	for _, tap := range b.Info.Taps {
		site, err := generate.ParseSite(tap.Name)
		if err != nil || site.Block == 0 && site.Stage >= generate.Decode || site.Step == 0 && site.Block == 1 && site.Stage == generate.Denoise {
			continue
		}
		c, err := NewCall(run, site, w, BundleValues(b))
		check(t, err)
		if c.Op().Layer < 1 {
			list = append(list, c)
		}
	}
	return list
}

// tried counts the kinds of alternatives that were tried, and how much each changed.
type tried struct {
	seen    map[string]int
	differs map[string]float64
}

// TestAlternativesDiffer tries every kind of alternative at the values of the embedded
// and of a made-up model: each must give something else than the model's own way
// somewhere.
func TestAlternativesDiffer(t *testing.T) {
	all := tried{map[string]int{}, map[string]float64{}}
	all.see(t, calls(t, tinyBundle(t, "released-ops"), tinyWeights(t)))
	for _, typ := range []dtype.Type{dtype.F32, dtype.F16, dtype.I8} {
		all.see(t, madeUpCalls(t, generate.Exact, typ))
	}
	all.see(t, madeUpCalls(t, generate.Released, dtype.F32))
	for _, name := range Names() {
		if all.seen[name] == 0 {
			t.Errorf("%q was never tried", name)
		} else if !(all.differs[name] > 1e-7) {
			t.Errorf("%q never differs: %.1e", name, all.differs[name])
		}
	}
	if len(Names()) < 60 {
		t.Errorf("only %d kinds of alternatives", len(Names()))
	}
}

func (all tried) see(t *testing.T, calls []*Call) {
	t.Helper()
	for _, c := range calls {
		truth, err := Evaluate(c, Alternative{})
		check(t, err)
		ofKind := map[string]int{}
		for _, alt := range c.Alternatives() {
			if ofKind[alt.Name]++; ofKind[alt.Name] > 2 {
				continue // two of a kind are enough
			}
			got, err := Evaluate(c, alt)
			if err != nil {
				t.Errorf("%s if %s: %v", c.Site, alt.Says, err)
				continue
			}
			if !got.Shape.Equal(truth.Shape) || alt.Says == "" || alt.Do == "" || alt.Topic == "" {
				t.Errorf("%s: %+v gives shape %v", c.Site, alt, got.Shape)
			}
			all.seen[alt.Name]++
			d, _ := distance(got.Data, truth.Data, dtype.F64)
			all.differs[alt.Name] = max(all.differs[alt.Name], d)
		}
	}
}
