package listing

import (
	"encoding/csv"
	"io"
	"math"
	"strconv"

	"colakit/verify"
)

// header names the columns of CSV.
var header = []string{
	"bundle", "mode", "pass", "block", "step", "section", "layer", "op", "tap", "kind",
	"elements", "rel_l2", "sqnr_db", "cosine", "bias", "rms", "max_abs", "max_abs_at", "got", "want",
	"differing", "ulp_p50", "ulp_p99", "ulp_p999", "ulp_max", "small_max", "nan_or_inf_mismatch",
	"r_rms", "r_max", "ratio_verdict", "rule", "metric", "value", "limit", "share", "verdict", "problem", "explained_by",
}

// CSV writes a row for each comparison of a suite, under a row of column names.
// Cells are empty where there is nothing to say; numbers are in Go's shortest
// notation that reads back exactly.
func CSV(w io.Writer, suite *verify.Suite) error {
	out := csv.NewWriter(w)
	if err := out.Write(header); err != nil {
		return err
	}
	for _, r := range suite.Reports {
		for _, c := range r.Comparisons {
			if err := out.Write(record(r, c)); err != nil {
				return err
			}
		}
	}
	out.Flush()
	return out.Error()
}

func record(r *verify.Report, c *verify.Comparison) []string {
	row := append([]string{text(r.Bundle.Name), string(c.Mode)}, placed(c)...)
	row = append(row, text(c.Name), c.Kind)
	row = append(row, measured(c)...)
	row = append(append(row, ratio(c)...), text(c.Rule))
	row = append(row, judged(c)...)
	return append(row, Verdict(c), text(c.Problem+c.Open), text(r.ExplainedBy(c)))
}

// Verdict is "pass", "fail", "open" for a limit that is broken where the end of a
// stopped run could have raised it, or "shown" for a comparison that no rule judges.
func Verdict(c *verify.Comparison) string {
	switch {
	case c.Failed():
		return "fail"
	case c.Open != "":
		return "open"
	case c.Rule == "":
		return "shown"
	}
	return "pass"
}

// placed returns pass, block, step, section, layer and op.
func placed(c *verify.Comparison) []string {
	p, err := verify.PlaceOf(c.Name)
	if err != nil {
		return make([]string, 6)
	}
	return []string{p.Pass, ordinal(p.Block), ordinal(p.Step), p.Section, ordinal(p.Layer), text(p.Op)}
}

// measured returns the figures from elements to nan_or_inf_mismatch.
func measured(c *verify.Comparison) []string {
	s := c.Summary
	if s.N == 0 {
		return make([]string, 17)
	}
	x, u := s.MaxAbs, s.ULP
	return []string{
		count(s.N), number(s.RelL2), number(s.SQNR()), number(s.Cosine), number(s.Bias), number(s.RMS),
		number(x.Value), count(x.At), number(x.Got), number(x.Want),
		count(s.Differing), count(u.P50), count(u.P99), count(u.P999), count(u.Max), number(s.SmallMax), count(s.Mask.Mismatch),
	}
}

// ratio returns r_rms, r_max and ratio_verdict.
func ratio(c *verify.Comparison) []string {
	if c.Ratio == nil {
		return make([]string, 3)
	}
	return []string{number(c.Ratio.RMS), number(c.Ratio.Max), string(c.Ratio.Verdict)}
}

// judged returns the check that used most of its limit, and its share.
func judged(c *verify.Comparison) []string {
	worst, ok := c.Tightest()
	if !ok {
		return make([]string, 4)
	}
	return []string{worst.Metric, number(worst.Value), number(worst.Limit), number(worst.Share)}
}

func ordinal(n int) string {
	if n < 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func count(n int64) string { return strconv.FormatInt(n, 10) }

// number formats a figure; infinite and undefined ones are empty.
func number(v float64) string {
	if math.IsInf(v, 0) || math.IsNaN(v) {
		return ""
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// text keeps a spreadsheet from taking a name for a formula.
func text(s string) string {
	if s != "" && (s[0] == '=' || s[0] == '+' || s[0] == '-' || s[0] == '@' || s[0] == '\t') {
		return "'" + s
	}
	return s
}
