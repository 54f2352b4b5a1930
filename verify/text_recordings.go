package verify

import "fmt"

// writeRecordings prints how two bundles of a run differ.
func (r *Report) writeRecordings(k *ink) {
	p := r.Recordings
	if p == nil {
		return
	}
	k.section(fmt.Sprintf("Two recordings of one run: %d of %d values bit-equal", p.BitEqual, p.Taps))
	if p.First != "" {
		k.wrapped("  first difference: ", "                    ", p.First)
	}
	for _, s := range p.Environment {
		k.wrapped("  "+s.Name+": ", "    ", fmt.Sprintf("%s → %s", orNone(s.Golden), orNone(s.Other)))
	}
	if p.First == "" {
		return
	}
	t := newTable("pass", ">bit-equal", ">of", ">elements equal", ">rel-L2", ">max-abs", ">ULP p99", "?worst")
	for _, x := range p.Passes {
		t.row(x.Pass, fmt.Sprint(x.BitEqual), fmt.Sprint(x.Taps), fmt.Sprintf("%.2f %%", 100*share(x.Equal, x.Elements)), short(x.RelL2), short(x.MaxAbs), fmt.Sprintf("%.0f", x.ULP), x.Worst)
	}
	t.write(k)
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}
