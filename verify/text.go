package verify

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"sort"
	"strings"
)

// TextOptions say how a report is printed.
type TextOptions struct {
	Width      int  // columns; 0: 100
	Whole      bool // lines that don't fit are not cut: for a file or a pipe
	Colour     bool // with ANSI escape sequences
	Everything bool // derivations and every operation, too
}

func (o TextOptions) ink(w io.Writer) *ink {
	if o.Width <= 0 {
		o.Width = 100
	}
	return &ink{w: w, width: o.Width, whole: o.Whole, colour: o.Colour}
}

// WriteText prints the report for people, the verdict first.
func (r *Report) WriteText(w io.Writer, o TextOptions) error {
	k := o.ink(w)
	r.headline(k)
	r.writeRecordings(k)
	r.writeStory(k)
	r.writeDivergence(k)
	r.writeFindings(k)
	r.writeLayers(k)
	r.writePasses(k)
	r.writeGuidance(k)
	r.writeRatios(k)
	r.writeWorst(k)
	r.writePolicy(k, o.Everything)
	r.writeOutcome(k)
	r.writeCoverage(k, o.Everything)
	if o.Everything {
		r.writeGrowth(k)
		r.writeLogits(k)
		r.writeEverything(k)
	}
	return k.err
}

var verdictColours = map[Verdict]string{Pass: green, Fail: red, Incomplete: yellow}

func (k *ink) verdict(v Verdict) string { return k.paint(bold, k.paint(verdictColours[v], string(v))) }

func (r *Report) headline(k *ink) {
	b := r.Bundle
	k.line("%s%s  %s", k.verdict(r.Verdict), k.paint(bold, r.Qualifier()), k.paint(bold, b.Name))
	k.wrapped("  ", "  ", r.Reason)
	k.faint("  ", "golden: "+b.Describe())
	k.faint("  ", fmt.Sprintf("candidate: %s, %s contract in %s, weights %s, %.1f s",
		r.Engine.Name, r.Engine.Contract, r.Engine.Arithmetic(), r.Artifact.describe(), r.Seconds))
	if r.Selection != "" {
		k.wrapped("  selected: ", "            ", r.Selection)
	}
	if r.Recordings == nil {
		k.modes("  ")
	}
}

// modes says what the two ways of feeding an engine are.
func (k *ink) modes(indent string) {
	k.wrapped(indent, indent, "isolated: each operation is fed the golden's inputs · free-running: each pass is, and its errors add up")
}

// Describe says what was recorded, in a line.
func (b BundleID) Describe() string {
	text := fmt.Sprintf("%s contract on %s, %s attention, level %s, %s, %s of %s",
		b.Contract, b.Device, b.Attention, b.Level, plural(b.Samples, "sample"), plural(b.Blocks, "block"), plural(b.Steps, "step"))
	if b.BlockLimit != nil && *b.BlockLimit < b.Blocks {
		text += fmt.Sprintf(", taps of the first %s", plural(*b.BlockLimit, "block"))
	}
	if b.StepLimit != nil && *b.StepLimit < b.Steps {
		text += fmt.Sprintf(", taps of the first %s", plural(*b.StepLimit, "step"))
	}
	return text
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// describe names the artifact with its types, where they are known.
func (a Artifact) describe() string {
	if s := a.Summary(); s != "" {
		return fmt.Sprintf("%s (%s)", a.Path, s)
	}
	return a.Path
}

// Summary counts the tensors by type: "f16 138, f32 44".
func (a Artifact) Summary() string {
	counts := a.Types
	if len(counts) == 1 {
		for name := range counts {
			return name
		}
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, counts[name]))
	}
	return strings.Join(parts, ", ")
}

func (k *ink) section(title string) {
	k.line("")
	if k.colour {
		title = "\x1b[" + bold + "m" + title + "\x1b[0m"
	}
	k.wrapped("", "", title)
}

// writeStory tells what is wrong, where, why one thinks so and what to do, to someone
// who reads no tables.
func (r *Report) writeStory(k *ink) {
	if r.Verdict != Fail {
		return
	}
	s := r.Story()
	k.section("What is wrong")
	k.wrapped("  what   ", "         ", s.What)
	if s.Where != "" {
		k.wrapped("  where  ", "         ", s.Where)
	}
	for i, why := range r.reasons() {
		k.wrapped(fmt.Sprintf("  %-5s  ", first(i, "why")), "         ", why)
	}
	for i, do := range s.Do {
		k.wrapped(fmt.Sprintf("  %-5s  ", first(i, "do")), "         ", do)
	}
}

// reasons are what speaks for the divergence most: what computing the operation anew
// showed, else what the failures have in common.
func (r *Report) reasons() []string {
	switch d := r.Divergence; {
	case d == nil:
		return nil
	case d.Diagnosis != nil && d.Diagnosis.Origin != Unknown:
		lines := []string{d.Diagnosis.Finding}
		for _, line := range d.Diagnosis.MatchLines() {
			lines = append(lines, sentence(line))
		}
		return lines
	default:
		var lines []string
		for _, p := range d.Pattern {
			lines = append(lines, sentence(p))
		}
		return lines
	}
}

func (r *Report) writeDivergence(k *ink) {
	d := r.Divergence
	if d == nil {
		return
	}
	k.section("First divergence")
	k.line("  operation  %s  %s", k.paint(red, d.Op), k.paint(dim, "first seen in "+d.Name))
	k.line("  error      %s", k.paint(red, d.Problem))
	s := d.Summary
	if s.N > 0 {
		const indent = "             "
		k.wrapped(indent, indent, fmt.Sprintf("rel-L2 %s, cosine %.6f, max-abs %s at %v: got %.7g, wanted %.7g", short(s.RelL2), s.Cosine, short(s.MaxAbs.Value), d.Index, s.MaxAbs.Got, s.MaxAbs.Want))
	}
	if len(d.Unit) > 1 {
		k.wrapped("  spans      ", "             ", strings.Join(d.Unit, ", "))
	}
	k.wrapped("  fed with   ", "             ", strings.Join(d.Inputs, ", "))
	for i, t := range d.Suspects {
		k.line("  %-9s  %s", first(i, "suspects"), k.paint(red, t))
	}
	if len(d.Suspects) > 0 {
		k.wrapped("  uses       ", "             ", names(d.Tensors))
	} else {
		for i, t := range d.Tensors {
			k.line("  %-9s  %s", first(i, "uses"), t)
		}
	}
	for i, p := range d.Pattern {
		k.wrapped(fmt.Sprintf("  %-9s  ", first(i, "pattern")), "             ", p)
	}
}

// names leaves the shapes and types out.
func names(tensors []string) string {
	short := make([]string, len(tensors))
	for i, t := range tensors {
		short[i], _, _ = strings.Cut(t, " ")
	}
	return strings.Join(short, ", ")
}

// first is the label of a list's first line.
func first(i int, label string) string {
	if i == 0 {
		return label
	}
	return ""
}

// maxFindings bounds the printed failures.
const maxFindings = 12

func (r *Report) writeFindings(k *ink) {
	if len(r.Findings) == 0 {
		return
	}
	k.section("Failures")
	for _, f := range r.Findings[:min(maxFindings, len(r.Findings))] {
		why := ""
		if f.ExplainedBy != "" {
			why = ", explained by " + f.ExplainedBy
		}
		k.wrapped("  "+k.paint(red, f.Phase)+"  ", "    ", fmt.Sprintf("%s, %d of %d%s", f.Subject, f.Failed, f.Compared, why))
		k.wrapped("    ", "    ", f.Text)
	}
	if n := len(r.Findings) - maxFindings; n > 0 {
		k.line("  and %d more (--verbose or --json lists the comparisons)", n)
	}
}

func (r *Report) writeOutcome(k *ink) {
	k.line("")
	k.wrapped("  ", "  ", r.outcome())
}

// outcome sums up tokens, texts and logits.
func (r *Report) outcome() string {
	t := r.Tokens
	text := fmt.Sprintf("tokens: %d of %d the golden's", t.Match, t.Compared)
	if t.Compared == 0 {
		text = "tokens: not compared"
	}
	for _, n := range []struct {
		n    int
		what string
	}{{t.TieFlip, "tie-flips"}, {t.Drift, "drifted"}, {t.Wrong, "wrong"}, {t.Unknown, "of unrecorded logits"}} {
		if n.n > 0 {
			text += fmt.Sprintf(", %d %s", n.n, n.what)
		}
	}
	if t.texts {
		text += fmt.Sprintf("; texts: %d of %d", t.TextSame, t.Samples)
	}
	if g := t.Golden; g != nil && g.Match < g.Compared {
		text += fmt.Sprintf("; from the golden's latents %d of %d, %d tie-flips, %d wrong", g.Match, g.Compared, g.TieFlip, g.Wrong)
	}
	if kl := r.worstKL(); kl != nil {
		text += fmt.Sprintf("; logits: mean KL %s ± %s, Δp ≤ %s", short(kl.KLMean), short(kl.KLStdErr), short(kl.DeltaP))
		if kl.SameTop1 < kl.Rows {
			text += fmt.Sprintf(", same top-1 %.3g ± %.2g %%", 100*kl.Top1Share, 100*kl.Top1StdErr)
		}
	}
	return text
}

// worstKL is the block of the largest divergence, of the golden's latents.
func (r *Report) worstKL() *LogitRow {
	var worst *LogitRow
	for i := range r.Logits {
		if l := &r.Logits[i]; l.Mode == Free && (worst == nil || l.KLMean > worst.KLMean) {
			worst = l
		}
	}
	return worst
}

func (r *Report) writeCoverage(k *ink, everything bool) {
	c := r.Coverage
	text := fmt.Sprintf("coverage: %d of %d taps, %d elements", c.Compared, c.Taps, c.Elements)
	if c.Replaced > 0 {
		text += fmt.Sprintf("; %d taps not computed: the artifact has an AdaLN table in place of emb_in", c.Replaced)
	}
	text += reasons(c.NotCompared, "tap")
	for _, m := range modes {
		if n := c.Unfinished[m]; n > 0 {
			text += k.paint(yellow, fmt.Sprintf("; %s %s: %s", m, r.Stopped, plural(n, "tap")))
		}
	}
	text += reasons(c.NotRecorded, "value")
	if n := len(c.Missing) + len(c.Extra); n > 0 {
		text += k.paint(red, fmt.Sprintf("; %d on one side only", n))
	}
	if r.Bundle.Floors > 0 {
		text += "; " + plural(r.Bundle.Floors, "floor")
	}
	k.wrapped("  ", "  ", text)
	for _, n := range r.Notes {
		k.wrapped("  note: ", "  ", n)
	}
	if everything || r.Verdict == Fail {
		k.wrapped("  golden's environment: ", "  ", environment(r.Bundle.Environment))
		k.wrapped("  candidate's environment: ", "  ", environment(r.Engine.Environment))
	}
}

// reasons lists counts: "; 3 taps out of time".
func reasons(counts map[string]int, what string) string {
	text := ""
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		text += fmt.Sprintf("; %s %s", plural(counts[reason], what), reason)
	}
	return text
}

// environment lists what a run ran on: "torch 2.15, threads 1".
func environment(e map[string]any) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(e)) {
		switch v := e[key].(type) {
		case nil, map[string]any, []any: // in the JSON report
		default:
			parts = append(parts, fmt.Sprintf("%s %v", key, v))
		}
	}
	return strings.Join(parts, ", ")
}

// byShare orders comparisons by the part of their limits that they used.
func byShare(cs []*Comparison) []*Comparison {
	sorted := slices.Clone(cs)
	sort.SliceStable(sorted, func(i, j int) bool {
		a, b := sorted[i], sorted[j]
		if a.Failed() != b.Failed() {
			return a.Failed()
		}
		return a.Share > b.Share
	})
	return sorted
}
