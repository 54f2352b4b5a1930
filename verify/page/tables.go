package page

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sort"

	"colakit/verify"
)

// row is a comparison in the verdict table. Sort keys stand beside the texts.
type row struct {
	Verdict, Class   string
	Mode, Tap, Rule  string
	RelL2, Used, ULP string
	RelKey, UsedKey  float64
	ULPKey           int64
	Figure, Problem  string
	Why              string // explained by
	Ratio            string // to the golden's own error
}

// rowsShown bounds the verdict tables of a page, all bundles together.
const rowsShown = 1200

// rows returns the comparisons that a table shows: failures first, then those that used
// most of their tolerance; total is how many there are.
func rows(r *verify.Report, most int) (list []row, total int) {
	sorted := slices.Clone(r.Comparisons)
	sort.SliceStable(sorted, func(i, j int) bool { return worse(sorted[i], sorted[j]) })
	for _, c := range sorted[:min(most, len(sorted))] {
		list = append(list, rowOf(r, c))
	}
	return list, len(sorted)
}

func rowOf(r *verify.Report, c *verify.Comparison) row {
	v := row{
		Verdict: "pass", Class: "good", Mode: string(c.Mode), Tap: c.Name, Rule: c.Rule, Problem: c.Problem, Why: r.ExplainedBy(c),
		RelL2: verify.FigureText(c.Summary.RelL2), RelKey: finite(c.Summary.RelL2),
		Used: verify.ShareText(c.Share), UsedKey: finite(c.Share), ULP: fmt.Sprint(c.Summary.ULP.Max), ULPKey: c.Summary.ULP.Max,
	}
	switch {
	case c.Failed():
		v.Verdict, v.Class = "FAIL", "bad"
	case c.Open != "":
		v.Verdict, v.Class, v.Problem = "open", "tie", c.Open
	case c.Rule == "":
		v.Verdict, v.Class, v.Used = "shown", "shown", ""
	}
	if c.Ratio != nil {
		v.Ratio = fmt.Sprintf("R_rms %s, %s", verify.FigureText(c.Ratio.RMS), c.Ratio.Verdict)
	}
	if check, ok := c.Tightest(); ok {
		v.Figure = fmt.Sprintf("%s %s of %s", check.Metric, verify.FigureText(check.Value), verify.FigureText(check.Limit))
	}
	return v
}

// finite keeps sort keys readable by a script.
func finite(v float64) float64 {
	if v-v != 0 {
		return 1e308
	}
	return v
}

// rule is a rule of the policy and how much of it was used.
type rule struct {
	verify.RuleUse
	Used, Figure string
	Width        float64 // of the bar, in per cent
}

func rules(r *verify.Report) []rule {
	var list []rule
	for _, u := range r.Policy {
		list = append(list, rule{u, verify.ShareText(u.Share), fmt.Sprintf("%s %s of %s", u.Check.Metric, verify.FigureText(u.Check.Value), verify.FigureText(u.Check.Limit)), min(100, max(0, 100*u.Share))})
	}
	return list
}

// overrides lists the limits that were replaced, and why.
func overrides(r *verify.Report) table {
	t := table{Caption: "Replaced limits", Heads: []string{"rule", "in place of its limits", "reason", "judged", "spared"}}
	for _, o := range r.Overrides {
		t.Rows = append(t.Rows, []string{o.Rule, o.Change(), o.Reason, fmt.Sprint(o.Compared), fmt.Sprint(o.Spared)})
	}
	return t
}

// tokenClass counts the generated ids of one class.
type tokenClass struct {
	Name, Means string
	Count       int
	Width       float64 // per cent of those compared
	Class       string
}

func tokenClasses(t verify.Tokens) []tokenClass {
	list := []tokenClass{
		{"MATCH", "the golden's token", t.Match, 0, "good"},
		{"TIE-FLIP", "the golden holds both for equal, within the error of its logits", t.TieFlip, 0, "tie"},
		{"UNKNOWN", "the golden's logits of that block are not recorded", t.Unknown, 0, "tie"},
		{"DRIFT", "another token, with no tie to excuse it; from the golden's latents the engine decodes the golden's", t.Drift, 0, "bad"},
		{"WRONG", "another token, with no tie to excuse it, from the golden's latents, too", t.Wrong, 0, "bad"},
	}
	var seen []tokenClass
	for _, c := range list {
		if c.Count > 0 {
			c.Width = 100 * float64(c.Count) / float64(max(t.Compared, 1))
			seen = append(seen, c)
		}
	}
	return seen
}

// logitTable lists the distributions of the blocks.
func logitTable(r *verify.Report) table {
	t := table{Caption: "Logits as distributions", Heads: []string{"mode", "block", "positions", "mean KL", "± stderr", "p99", "largest", "mean Δp", "± stderr", "largest", "same top-1", "%", "± stderr", "ties"}}
	for _, l := range r.Logits {
		f := verify.FigureText
		t.Rows = append(t.Rows, []string{string(l.Mode), fmt.Sprint(l.Block), fmt.Sprint(l.Rows), f(l.KLMean), f(l.KLStdErr), f(l.KLP99), f(l.KLMax), f(l.DeltaPMean), f(l.DeltaPStdErr), f(l.DeltaP), fmt.Sprint(l.SameTop1), fmt.Sprintf("%.4g", 100*l.Top1Share), fmt.Sprintf("%.2g", 100*l.Top1StdErr), fmt.Sprint(l.Ties)})
	}
	return t
}

// namesShown bounds lists of names.
const namesShown = 50

// coverage lists what was not compared, and why.
func coverage(r *verify.Report) table {
	c := r.Coverage
	t := table{Caption: "What was not compared", Heads: []string{"what", "how many", "why"}}
	add := func(n int, what, why string) {
		if n > 0 {
			t.Rows = append(t.Rows, []string{what, fmt.Sprint(n), why})
		}
	}
	for _, reason := range slices.Sorted(maps.Keys(c.NotCompared)) {
		add(c.NotCompared[reason], "values of the bundle", reason)
	}
	for _, reason := range slices.Sorted(maps.Keys(c.NotRecorded)) {
		add(c.NotRecorded[reason], "values of the engine", "not recorded: "+reason)
	}
	for _, m := range []verify.Mode{verify.Isolated, verify.Free, verify.Generation} {
		add(c.Unfinished[m], "values of the bundle", string(m)+": left when the run was stopped")
	}
	add(c.Replaced, "values of the bundle", "the artifact has an AdaLN table in place of their operations")
	add(c.Unjudged, "comparisons", "shown, but no rule of the policy judges them")
	add(len(c.Missing), "values of the bundle", "the engine never showed them: "+some(c.Missing))
	add(len(c.Extra), "values of the engine", "the bundle should hold them and does not: "+some(c.Extra))
	return t
}

func some(names []string) string {
	text := ""
	for i, n := range names[:min(namesShown, len(names))] {
		if i > 0 {
			text += ", "
		}
		text += n
	}
	if n := len(names) - namesShown; n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return text
}

// environment sets what both sides ran on side by side.
func environment(r *verify.Report) table {
	golden, candidate := map[string]string{}, map[string]string{}
	flatten(golden, "", r.Bundle.Environment)
	flatten(candidate, "", r.Engine.Environment)
	for _, e := range []struct{ key, golden, candidate string }{
		{"contract", r.Bundle.Contract, r.Engine.Contract}, {"device", r.Bundle.Device, ""}, {"attention", r.Bundle.Attention, ""},
		{"engine", "", r.Engine.Name}, {"precision", "", r.Engine.Precision}, {"activations", "", r.Engine.Activations},
	} {
		golden[e.key], candidate[e.key] = e.golden, e.candidate
	}
	for file, sum := range r.Artifact.Sources {
		candidate["made of "+file] = sum
	}
	keys := map[string]bool{}
	for k := range golden {
		keys[k] = true
	}
	for k := range candidate {
		keys[k] = true
	}
	t := table{Caption: "Environment", Heads: []string{"", "golden", "candidate"}}
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		t.Rows = append(t.Rows, []string{k, golden[k], candidate[k]})
	}
	return t
}

// flatten names the values of nested objects by their paths.
func flatten(into map[string]string, prefix string, values map[string]any) {
	for k, v := range values {
		switch v := v.(type) {
		case nil:
		case map[string]any:
			flatten(into, prefix+k+".", v)
		case []any:
			raw, err := json.Marshal(v)
			if err == nil {
				into[prefix+k] = string(raw)
			}
		default:
			into[prefix+k] = fmt.Sprint(v)
		}
	}
}
