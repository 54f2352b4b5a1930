package page

import (
	"fmt"

	"colakit/verify"
)

// recorded shows how two bundles of a run differ.
type recorded struct {
	*verify.Recordings
	Settings table
	Sums     table
}

// newRecorded returns nil where the candidate is no recording.
func newRecorded(r *verify.Report) *recorded {
	if r.Recordings == nil {
		return nil
	}
	x := &recorded{Recordings: r.Recordings,
		Settings: table{Caption: "What they were recorded in, where it differs", Heads: []string{"", "golden", "other"}},
		Sums:     table{Caption: "By kind of pass", Heads: []string{"pass", "bit-equal", "of", "elements equal", "rel-L2", "max-abs", "ULP p99", "worst"}},
	}
	for _, s := range r.Recordings.Environment {
		x.Settings.Rows = append(x.Settings.Rows, []string{s.Name, s.Golden, s.Other})
	}
	f := verify.FigureText
	for _, p := range r.Recordings.Passes {
		equal := 100 * float64(p.Equal) / float64(max(p.Elements, 1))
		x.Sums.Rows = append(x.Sums.Rows, []string{p.Pass, fmt.Sprint(p.BitEqual), fmt.Sprint(p.Taps), fmt.Sprintf("%.2f %%", equal), f(p.RelL2), f(p.MaxAbs), fmt.Sprint(p.ULP), p.Worst})
	}
	return x
}
