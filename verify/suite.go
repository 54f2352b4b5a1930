package verify

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"sort"
	"strings"
)

// Suite is the result of holding one artifact against several bundles.
type Suite struct {
	Schema  string    `json:"schema"`
	Version int       `json:"version"`
	Verdict Verdict   `json:"verdict"`
	Reports []*Report `json:"reports"`
	// Incompatible are bundles that the artifact's AdaLN table has no schedule for, or
	// that hold nothing of what is selected. They say nothing of it, good or bad.
	Incompatible []Incompatible `json:"incompatible,omitempty"`
}

// Incompatible is a bundle that could not be compared with.
type Incompatible struct {
	Bundle string `json:"bundle"`
	Reason string `json:"reason"`
}

// NewSuite draws reports together. One that fails makes the whole fail; none at
// all are incomplete.
func NewSuite(reports ...*Report) *Suite {
	s := &Suite{Schema: Schema, Version: SchemaVersion, Verdict: Pass, Reports: reports}
	if len(reports) == 0 {
		s.Verdict = Incomplete
	}
	for _, r := range reports {
		switch {
		case r.Verdict == Fail:
			s.Verdict = Fail
		case r.Verdict == Incomplete && s.Verdict == Pass:
			s.Verdict = Incomplete
		}
	}
	return s
}

// WriteJSON writes the suite on one line.
func (s *Suite) WriteJSON(w io.Writer) error {
	return json.NewEncoder(w).Encode(s)
}

// WriteText prints the suite for people: a single report as it is; of several what
// failed, and sums. Everything prints all of them in full, too.
func (s *Suite) WriteText(w io.Writer, o TextOptions) error {
	k := o.ink(w)
	if len(s.Reports) == 1 {
		k.err = s.Reports[0].WriteText(w, o)
		s.writeIncompatible(k)
		return k.err
	}
	s.headline(k)
	s.writeFailures(k)
	s.writeShares(k, "By layer: shares of the tolerances used, isolated · free-running", layerShares)
	s.writeShares(k, "By block and branch: likewise; of the latents, in generation", passShares)
	s.writeCourses(k)
	s.writeTightest(k)
	s.writeOverrides(k)
	s.writeNotes(k)
	s.writeIncompatible(k)
	for _, r := range s.Reports {
		if o.Everything && k.err == nil {
			k.rule()
			k.err = r.WriteText(w, o)
		}
	}
	k.line("\n%s%s  %s", k.verdict(s.Verdict), k.paint(bold, s.Qualifier()), s.count())
	return k.err
}

// writeIncompatible prints the bundles that were left out, and why.
func (s *Suite) writeIncompatible(k *ink) {
	for _, b := range s.Incompatible {
		k.wrapped("  incompatible: ", "  ", b.Bundle+": "+b.Reason)
	}
}

// count says how many reports passed: "4 of 4 bundles".
func (s *Suite) count() string {
	n := 0
	for _, r := range s.Reports {
		if r.Verdict == Pass {
			n++
		}
	}
	return fmt.Sprintf("%d of %s passed", n, plural(len(s.Reports), "bundle"))
}

func (s *Suite) headline(k *ink) {
	k.line("%s%s  %s", k.verdict(s.Verdict), k.paint(bold, s.Qualifier()), s.count())
	if len(s.Reports) == 0 {
		return
	}
	r := s.Reports[0]
	k.faint("", fmt.Sprintf("candidate: %s in %s, weights %s (%s)", r.Engine.Name, r.Engine.Arithmetic(), r.Artifact.Path, r.Artifact.Summary()))
	k.modes("")
	k.line("")
	for _, r := range s.Reports {
		k.wrapped(fmt.Sprintf("  %s  %s: ", k.verdict(r.Verdict), k.paint(bold, r.Bundle.Name)), "        ", r.Reason)
		k.faint("        ", r.Bundle.Describe())
		k.faint("        ", fmt.Sprintf("%s; %.1f s", r.outcome(), r.Seconds))
	}
}

// writeFailures prints what is wrong, bundle by bundle.
func (s *Suite) writeFailures(k *ink) {
	for _, r := range s.Reports {
		if len(r.Findings) > 0 {
			k.line("")
			k.rule()
			k.line("%s", k.paint(bold, r.Bundle.Name))
			r.writeStory(k)
			r.writeDivergence(k)
			r.writeFindings(k)
		}
	}
}

// rule draws a line across.
func (k *ink) rule() { k.line("%s", k.paint(dim, strings.Repeat("─", min(k.width, 80)))) }

// shares are the isolated and the free-running share of a row.
type shares struct{ isolated, free Extent }

func layerShares(r *Report) (names []string, rows map[string]shares) {
	rows = map[string]shares{}
	for _, l := range r.Layers {
		free := l.Output
		for _, e := range []Extent{l.Attention, l.MLP} {
			if e.Compared > 0 && e.Share >= free.Share {
				free = e
			}
		}
		names, rows[l.Layer] = append(names, l.Layer), shares{l.Isolated, free}
	}
	return names, rows
}

func passShares(r *Report) (names []string, rows map[string]shares) {
	rows = map[string]shares{}
	for _, p := range r.Passes {
		names, rows[p.Pass] = append(names, p.Pass), shares{p.Isolated, p.Free}
	}
	return names, rows
}

// writeShares prints a table with a row for each name and a column for each bundle.
func (s *Suite) writeShares(k *ink, title string, of func(*Report) ([]string, map[string]shares)) {
	var names []string
	heads := []string{""}
	rows := make([]map[string]shares, len(s.Reports))
	for i, r := range s.Reports {
		var own []string
		own, rows[i] = of(r)
		for _, name := range own {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		heads = append(heads, ">"+r.Bundle.Name)
	}
	k.section(title)
	t := newWideTable(heads...)
	for _, name := range names {
		cells := []string{name}
		for i := range s.Reports {
			cells = append(cells, k.pair(rows[i][name]))
		}
		t.row(cells...)
	}
	t.write(k)
}

func (k *ink) pair(x shares) string {
	side := func(e Extent) string {
		if e.Compared == 0 {
			return "      –"
		}
		text := k.share(e.Share)
		return strings.Repeat(" ", max(0, 7-visible(text))) + text
	}
	return side(x.isolated) + " ·" + side(x.free)
}

// writeCourses prints how the latents' error grows over the steps.
func (s *Suite) writeCourses(k *ink) {
	width := 0
	for _, r := range s.Reports {
		width = max(width, visible(r.Bundle.Name))
	}
	var lines []string
	for _, r := range s.Reports {
		var blocks []string
		for _, row := range r.Passes {
			if block, ok := strings.CutSuffix(row.Pass, "/latents"); ok && len(row.Steps) > 0 {
				blocks = append(blocks, block+" "+course(row.Steps))
			}
		}
		if len(blocks) > 0 {
			lines = append(lines, fmt.Sprintf("  %-*s  %s", width, r.Bundle.Name, strings.Join(blocks, "   ")))
		}
	}
	if len(lines) > 0 {
		k.section("Latents in generation: rel-L2 after the first, every (log scale) and the last step")
		k.line("%s", strings.Join(lines, "\n"))
	}
}

// tightestShown is the number of rules printed for a suite.
const tightestShown = 8

// writeTightest prints the rules whose limits were used most.
func (s *Suite) writeTightest(k *ink) {
	type use struct {
		RuleUse
		bundle string
	}
	best := map[string]use{}
	for _, r := range s.Reports {
		for _, u := range r.Policy {
			if old, ok := best[u.Name]; !ok || u.Share > old.Share {
				best[u.Name] = use{u, r.Bundle.Name}
			}
		}
	}
	uses := slices.Collect(maps.Values(best))
	sort.Slice(uses, func(i, j int) bool {
		if uses[i].Share != uses[j].Share {
			return uses[i].Share > uses[j].Share
		}
		return uses[i].Name < uses[j].Name
	})
	shown := min(tightestShown, len(uses))
	k.section(fmt.Sprintf("Tolerances used most, %d of %d (--verbose: all, with their derivations)", shown, len(uses)))
	t := newTable(">used", "", "rule", "worst", "~bundle", "?tap")
	for _, u := range uses[:shown] {
		t.row(k.share(u.Share), k.bar(u.Share), u.Name, figure(u.Check), u.bundle, u.Worst)
	}
	t.write(k)
}

// writeOverrides prints the overrides, bundle by bundle.
func (s *Suite) writeOverrides(k *ink) {
	for i, r := range s.Reports {
		if i == 0 && len(r.Overrides) > 0 {
			k.section("Overrides of the policy")
		}
		for _, o := range r.Overrides {
			k.wrapped("  "+r.Bundle.Name+": ", "    ", o.describe())
		}
	}
}

// writeNotes prints coverage and what the reports note, once each.
func (s *Suite) writeNotes(k *ink) {
	taps, compared, left := 0, 0, map[string]int{}
	elements := int64(0)
	var notes []string
	for _, r := range s.Reports {
		for reason, n := range r.Coverage.NotCompared {
			left[reason] += n
		}
		taps, compared, elements = taps+r.Coverage.Taps, compared+r.Coverage.Compared, elements+r.Coverage.Elements
		for _, n := range r.Notes {
			if !slices.Contains(notes, n) {
				notes = append(notes, n)
			}
		}
	}
	k.line("")
	k.wrapped("  ", "  ", fmt.Sprintf("coverage: %d of %d taps, %d elements%s", compared, taps, elements, reasons(left, "tap")))
	for _, n := range notes {
		k.wrapped("  note: ", "  ", n)
	}
}
