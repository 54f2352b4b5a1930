package verify

import (
	"cmp"
	"fmt"
	"slices"

	"colakit/formats/tensor"
	"colakit/verify/metric"
)

// Ratio compares the candidate's error against the exact value with the golden's
// own.
type Ratio struct {
	metric.Ratio
	// Verdict says how the errors compare, whether that is judged or not.
	Verdict RatioVerdict `json:"verdict"`
	Rule    string       `json:"rule,omitempty"` // of the policy; empty: shown, not judged
	Why     string       `json:"why,omitempty"`  // it is not judged
	Checks  []Check      `json:"checks,omitempty"`

	base []Check // before an override
}

// RatioVerdict says which side is nearer to the exact value.
type RatioVerdict string

// The verdicts: within 0.9 … 1.1, chance granted, below that, or above it.
const (
	SameError        RatioVerdict = "same as golden"
	BetterThanGolden RatioVerdict = "better than golden"
	WorseThanGolden  RatioVerdict = "worse than golden"
)

// measureRatio measures a value against the exact one; nil where that is not known.
func (o *observer) measureRatio(j judgement, got, want tensor.View) (*metric.Ratio, error) {
	if o.exact == nil {
		return nil, nil
	}
	x, ok := o.exact.at(j.site)
	if !ok {
		return nil, nil
	}
	x, err := j.rows.of(x)
	if err != nil || !x.Shape.Equal(want.Shape) {
		return nil, err
	}
	r, err := metric.Ratios(o.ctx, got, want, x)
	return &r, err
}

func newRatio(f Facts, r metric.Ratio) *Ratio {
	q := &Ratio{Ratio: r, Verdict: SameError, Why: unjudgedRatio(f, r)}
	switch {
	case failure([]Check{atMost(1.1, f, r)}) != "":
		q.Verdict = WorseThanGolden
	case failure(atLeast(0.9, f, r)) != "":
		q.Verdict = BetterThanGolden
	}
	if q.Why == "" {
		if rule := ratioRule(f); rule != nil {
			q.Rule, q.base = rule.Name, rule.ratio(f, r)
			q.Checks = q.base
		}
	}
	return q
}

// ratioRule is rule for ratios.
func ratioRule(f Facts) *Rule {
	for i := range ratioRules {
		if !f.Unjudged && ratioRules[i].applies(f) {
			return &ratioRules[i]
		}
	}
	return nil
}

// judgeRatios fails what breaks a ratio's rule and nothing else, of the values that
// are judged by the rules of a mode: what is wrong by itself has a wrong ratio, too.
func (s *session) judgeRatios(m Mode) {
	if m == Isolated {
		s.judgeBits()
		defer s.judgePools()
	}
	for _, c := range s.comparisons {
		if c.facts.Mode != m || !c.judgedRatio() || c.Failed() {
			continue
		}
		if why := c.Ratio.problem(); why != "" {
			p := phaseRatio
			if m != Isolated {
				p = phaseOf(m)
			}
			c.fail(p, why)
		}
	}
}

// judgedRatio reports whether the ratio counts: where the value itself is judged.
func (c *Comparison) judgedRatio() bool { return c.Ratio != nil && c.Ratio.Rule != "" && c.Rule != "" }

// problem describes a ratio that breaks its rule.
func (r *Ratio) problem() string {
	if failure(r.Checks) == "" {
		return ""
	}
	text := fmt.Sprintf("R_rms %s, R_max %s (its error against the exact value %s, the golden's %s)", short(r.RMS), short(r.Max), short(r.CandidateRelative()), short(r.GoldenRelative()))
	return text + meaning(r.RMS)
}

// meaning says what a ratio that breaks its rule points to.
func meaning(r float64) string {
	if r < 1 {
		return ": nearer to the exact value than the golden, a rounding of the contract is missing"
	}
	return ": farther from the exact value than the golden, a rounding too many, or something wrong"
}

// RatioRow sums up the ratios of like comparisons.
type RatioRow struct {
	Mode     Mode   `json:"mode"`
	Rule     string `json:"rule,omitempty"` // empty: shown, not judged
	Why      string `json:"why,omitempty"`  // not judged
	Compared int    `json:"compared"`
	Failed   int    `json:"failed"`
	Better   int    `json:"better"` // than the golden
	Worse    int    `json:"worse"`
	// Least, Median and Most are R_rms, Max is the largest R_max; 1 where both sides
	// are exact.
	Least   float64 `json:"least"`
	Median  float64 `json:"median"`
	Most    float64 `json:"most"`
	Max     float64 `json:"max"`
	Lowest  string  `json:"lowest"`  // the tap of Least
	Highest string  `json:"highest"` // the tap of Most
}

// ratioRows groups the ratios by mode and by what judges them; what is not judged
// comes last.
func (s *session) ratioRows() []RatioRow {
	type key struct {
		mode Mode
		rule string
		why  string
	}
	groups := map[key][]*Comparison{}
	var keys []key
	for _, c := range s.inOrder() {
		if c.Ratio == nil {
			continue
		}
		k := key{c.Mode, c.Ratio.Rule, c.Ratio.Why}
		if c.Rule == "" && k.rule != "" {
			k = key{c.Mode, "", "inside a pass"}
		}
		if groups[k] == nil {
			keys = append(keys, k)
		}
		groups[k] = append(groups[k], c)
	}
	judged := func(k key) int { return min(len(k.why), 1) }
	slices.SortStableFunc(keys, func(a, b key) int { return judged(a) - judged(b) })
	rows := make([]RatioRow, len(keys))
	for i, k := range keys {
		rows[i] = ratioRow(groups[k])
		rows[i].Mode, rows[i].Rule, rows[i].Why = k.mode, k.rule, k.why
	}
	return rows
}

func ratioRow(group []*Comparison) RatioRow {
	sorted := slices.SortedStableFunc(slices.Values(group), func(a, b *Comparison) int { return cmp.Compare(a.Ratio.RMS, b.Ratio.RMS) })
	least, most := sorted[0], sorted[len(sorted)-1]
	row := RatioRow{
		Compared: len(sorted), Least: least.Ratio.RMS, Median: sorted[len(sorted)/2].Ratio.RMS, Most: most.Ratio.RMS,
		Lowest: least.Name, Highest: most.Name,
	}
	for _, c := range sorted {
		row.Max = max(row.Max, c.Ratio.Max)
		switch c.Ratio.Verdict {
		case BetterThanGolden:
			row.Better++
		case WorseThanGolden:
			row.Worse++
		}
		if failure(c.Ratio.Checks) != "" {
			row.Failed++
		}
	}
	return row
}
