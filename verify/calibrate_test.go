package verify_test

import (
	"strings"
	"testing"

	"colakit/formats/tensor"
	"colakit/golden"
	"colakit/reference"
	"colakit/reference/generate"
	"colakit/verify"
)

func withoutFloors(i *golden.Info, _ map[string]tensor.View) { i.Floors = nil }

// TestGrowthIsMeasuredWhereItIsNeeded has two steps of half the schedule each,
// which carry roundings farther than the policy's sixteen; without floors in the
// bundle, what roundings grow to is measured.
func TestGrowthIsMeasuredWhereItIsNeeded(t *testing.T) {
	m := tiny(t)
	r := m.against(t, derive(t, "released-ops", all, withoutFloors), "no floors", nil, reference.Options{})
	if r.Verdict != verify.Pass {
		t.Errorf("%s: %s", r.Verdict, r.Reason)
	}
	grown := 0
	for _, c := range r.Comparisons {
		if c.Grown > 0 {
			grown++
			t.Logf("%s %s: rel-L2 %.4g, errors grow to %.4g, share %.2f", c.Mode, c.Name, c.Summary.RelL2, c.Grown, c.Share)
		}
	}
	if grown == 0 || !strings.Contains(strings.Join(r.Notes, "\n"), "judged by what this model makes of rounding") {
		t.Errorf("%d comparisons were measured; notes %q", grown, r.Notes)
	}
}

// TestGrowthExcusesNoFault spoils what no single operation shows.
func TestGrowthExcusesNoFault(t *testing.T) {
	m := tiny(t)
	for name, fault := range map[string]wrapped{
		"other noise in the velocities, hidden from the tap": {tap: hidden("dit.velocity")},
	} {
		r := m.against(t, derive(t, "exact-ops", all, withoutFloors), name, func(e generate.Engine) generate.Engine {
			fault.Engine = e
			return &fault
		}, reference.Options{})
		if r.Verdict != verify.Fail {
			t.Errorf("%s: %s: %s", name, r.Verdict, r.Reason)
		}
	}
}

// hidden lets the tap of the isolated mode see right values of a site, and the
// engine go on with others when nothing is replaced.
func hidden(site string) func(generate.Tap) generate.Tap {
	return func(tap generate.Tap) generate.Tap {
		return &drift{Forcing: tap.(generate.Forcing), site: site}
	}
}

type drift struct {
	generate.Forcing
	site string
	last tensor.View
}

func (d *drift) Record(s generate.Site, v tensor.View) error {
	d.last = v
	return d.Forcing.Record(s, v)
}

func (d *drift) Replace(s generate.Site) (tensor.View, bool, error) {
	v, ok, err := d.Forcing.Replace(s)
	if ok || err != nil || !strings.HasSuffix(s.String(), "/cond/"+d.site) {
		return v, ok, err
	}
	values, err := d.last.Float32s()
	if err != nil {
		return v, false, err
	}
	for i := range values {
		values[i] *= 1.01
	}
	return tensor.FromFloat32s(d.last.Name, d.last.Shape, values), true, nil
}
