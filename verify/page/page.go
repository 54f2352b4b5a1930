package page

import (
	"bufio"
	"embed"
	"fmt"
	"html/template"
	"io"

	"colakit/verify"
)

//go:embed assets
var assets embed.FS

var (
	pageTemplate = template.Must(template.New("page.html").Funcs(template.FuncMap{
		"figure": verify.FigureText,
		"pair":   func(b *bundle, s []shade) bundleView { return bundleView{b, s} },
	}).ParseFS(assets, "assets/*.html"))
	style  = template.CSS(asset("style.css"))
	script = template.JS(asset("script.js"))
)

func asset(name string) string {
	raw, err := assets.ReadFile("assets/" + name)
	if err != nil {
		return "" // a test holds the files
	}
	return string(raw)
}

// view is what the page's template shows.
type view struct {
	Style    template.CSS
	Script   template.JS
	Title    string
	Verdict  string
	Class    string
	Sentence string
	Counts   string
	Format   string
	Bundles  []*bundle
	Left     []verify.Incompatible
	Shades   []shade
}

// shade is an entry of the heat maps' legend.
type shade struct{ Class, Text string }

// bundle is one report.
type bundle struct {
	*verify.Report
	ID        string
	Class     string
	Open      bool
	Story     verify.Story
	Golden    string // what was recorded
	Candidate string
	Maps      []group
	Growth    []figure
	Guided    []figure
	Steps     table // of guidance
	Ratios    []figure
	Diagnosis *diagnosis
	Magnitude []figure
	Distances []group
	Tokens    []tokenClass
	Logits    table
	Rules     []rule
	Overrides table // of limits
	Rows      []row
	Total     int
	Recorded  *recorded // nil: the candidate is no recording
	Gaps      table
	Ran       table
}

// bundleView is a bundle with the legend of its maps.
type bundleView struct {
	Bundle *bundle
	Shades []shade
}

// group is the figures of one mode.
type group struct {
	Class, Name string
	Figures     []figure
}

// Write writes the page of a suite.
func Write(w io.Writer, suite *verify.Suite) error {
	out := bufio.NewWriter(w)
	if err := pageTemplate.ExecuteTemplate(out, "page.html", newView(suite)); err != nil {
		return err
	}
	return out.Flush()
}

var classes = map[verify.Verdict]string{verify.Pass: "good", verify.Fail: "bad", verify.Incomplete: "tie"}

func newView(s *verify.Suite) view {
	v := view{
		Style: style, Script: script, Verdict: string(s.Verdict) + s.Qualifier(), Class: classes[s.Verdict], Left: s.Incompatible, Shades: legend(),
		Format: fmt.Sprintf("%s, version %d", s.Schema, s.Version),
	}
	passed := 0
	first := -1 // the bundle that is opened
	for i, r := range s.Reports {
		if r.Verdict == verify.Pass {
			passed++
		} else if first < 0 || r.Verdict == verify.Fail && s.Reports[first].Verdict != verify.Fail {
			first = i
		}
		v.Bundles = append(v.Bundles, newBundle(r, i, rowsShown/len(s.Reports)))
	}
	v.Counts = fmt.Sprintf("%d of %s passed", passed, plural(len(s.Reports), "bundle"))
	v.Sentence = "Nothing was compared."
	if len(v.Bundles) > 0 {
		open := v.Bundles[max(first, 0)]
		open.Open = true
		v.Sentence = open.Story.What
		if passed == len(v.Bundles) && passed > 1 {
			v.Sentence = "Nothing is wrong: all " + plural(passed, "bundle") + " pass, each value within its tolerance."
		}
	}
	v.Title = v.Verdict + " – " + v.Counts
	return v
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func newBundle(r *verify.Report, i, most int) *bundle {
	b := &bundle{
		Report: r, ID: fmt.Sprintf("bundle-%d", i+1), Class: classes[r.Verdict], Story: r.Story(), Golden: r.Bundle.Describe(),
		Candidate: fmt.Sprintf("%s, %s contract in %s, weights %s (%s)", r.Engine.Name, r.Engine.Contract, r.Engine.Arithmetic(), r.Artifact.Path, r.Artifact.Summary()),
		Growth:    growth(r), Guided: guidance(r), Steps: guidanceTable(r), Ratios: ratios(r), Diagnosis: newDiagnosis(r), Magnitude: magnitudePlots(r), Tokens: tokenClasses(r.Tokens), Logits: logitTable(r), Rules: rules(r), Overrides: overrides(r), Recorded: newRecorded(r), Gaps: coverage(r), Ran: environment(r),
	}
	for _, m := range []verify.Mode{verify.Isolated, verify.Free, verify.Generation} {
		if figures := heatMaps(r, m); len(figures) > 0 {
			b.Maps = append(b.Maps, group{class(m), string(m), figures})
		}
		if figures := histograms(r, m); len(figures) > 0 {
			b.Distances = append(b.Distances, group{class(m), string(m), figures})
		}
	}
	b.Rows, b.Total = rows(r, most)
	return b
}

func legend() []shade {
	list := make([]shade, len(shades))
	for i, bound := range shades {
		list[i] = shade{fmt.Sprintf("h%d", i), fmt.Sprintf("≤ %g %%", 100*bound)}
	}
	return append(list, shade{"bad", "fails"}, shade{"shown", "not judged"}, shade{"none", "nothing there"})
}
