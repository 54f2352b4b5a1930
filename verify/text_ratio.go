package verify

import "fmt"

// writeRatios prints how the candidate's errors compare with the golden's own.
func (r *Report) writeRatios(k *ink) {
	if len(r.Ratios) == 0 {
		return
	}
	k.section("Errors against exact values: R_rms = the candidate's to the golden's own; 1: the same roundings, below 0.9: better, above 1.1: worse")
	t := newTable("mode", "?judged by", ">of", ">better", ">worse", ">least", ">median", ">most", ">R_max", "?most in")
	for _, row := range r.Ratios {
		rule := row.Rule
		if rule == "" {
			rule = k.paint(dim, "not judged: "+row.Why)
		}
		worse := fmt.Sprint(row.Worse)
		if row.Failed > 0 {
			worse = k.paint(red, fmt.Sprintf("%d, %d failed", row.Worse, row.Failed))
		}
		t.row(string(row.Mode), rule, fmt.Sprint(row.Compared), fmt.Sprint(row.Better), worse, ratio(row.Least), ratio(row.Median), ratio(row.Most), ratio(row.Max), row.Highest)
	}
	t.write(k)
}

// ratio formats a ratio of errors: "1.03", "∞" where the golden has none.
func ratio(v float64) string {
	if v > mostShare {
		return "∞"
	}
	return fmt.Sprintf("%.2f", v)
}
