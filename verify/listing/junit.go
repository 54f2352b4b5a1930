package listing

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"colakit/verify"
)

type suites struct {
	XMLName  xml.Name `xml:"testsuites"`
	Name     string   `xml:"name,attr"`
	Tests    int      `xml:"tests,attr"`
	Failures int      `xml:"failures,attr"`
	Skipped  int      `xml:"skipped,attr"`
	Suites   []suite  `xml:"testsuite"`
}

type suite struct {
	Name       string     `xml:"name,attr"`
	Tests      int        `xml:"tests,attr"`
	Failures   int        `xml:"failures,attr"`
	Skipped    int        `xml:"skipped,attr"`
	Time       string     `xml:"time,attr"` // seconds
	Properties []property `xml:"properties>property"`
	Cases      []testCase `xml:"testcase"`
}

type property struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type testCase struct {
	Class   string   `xml:"classname,attr"`
	Name    string   `xml:"name,attr"`
	Failure *failure `xml:"failure"`
	Skipped *skipped `xml:"skipped"`
}

type failure struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

type skipped struct {
	Message string `xml:"message,attr"`
}

// JUnit writes a test suite for each bundle. A test case is one operation of one
// layer in one mode, over all its passes; further ones stand for the findings that
// are no operation's, for the tokens, and, skipped, for what was not compared.
func JUnit(w io.Writer, s *verify.Suite) error {
	all := suites{Name: "colaverify"}
	for _, r := range s.Reports {
		all.add(reportSuite(r))
	}
	for _, b := range s.Incompatible {
		one := suite{Name: clean(b.Bundle), Time: "0"}
		one.add(testCase{Class: "bundle", Name: "compatible", Skipped: &skipped{clean(b.Reason)}})
		all.add(one)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (s *suites) add(one suite) {
	s.Suites = append(s.Suites, one)
	s.Tests += one.Tests
	s.Failures += one.Failures
	s.Skipped += one.Skipped
}

func (s *suite) add(c testCase) {
	s.Cases = append(s.Cases, c)
	s.Tests++
	if c.Failure != nil {
		s.Failures++
	}
	if c.Skipped != nil {
		s.Skipped++
	}
}

func reportSuite(r *verify.Report) suite {
	s := suite{Name: clean(r.Bundle.Name), Time: fmt.Sprintf("%.3f", r.Seconds)}
	for _, p := range []property{
		{"verdict", string(r.Verdict) + r.Qualifier()}, {"reason", r.Reason}, {"contract", r.Bundle.Contract}, {"level", r.Bundle.Level},
		{"engine", r.Engine.Name}, {"precision", r.Engine.Precision}, {"artifact", r.Artifact.Path},
	} {
		s.Properties = append(s.Properties, property{p.Name, clean(p.Value)})
	}
	for _, g := range groups(r) {
		s.add(g.testCase(r))
	}
	for _, c := range otherCases(r) {
		s.add(c)
	}
	for _, c := range skippedCases(r) {
		s.add(c)
	}
	return s
}

// group holds the comparisons of one operation in one mode.
type group struct {
	mode        verify.Mode
	path        string
	comparisons []*verify.Comparison
}

// groups collects the judged and the failed comparisons, in the order of the report.
func groups(r *verify.Report) []*group {
	type key struct {
		mode verify.Mode
		path string
	}
	at := map[key]*group{}
	var list []*group
	for _, c := range r.Comparisons {
		if c.Rule == "" && !c.Failed() {
			continue
		}
		k := key{c.Mode, c.Name}
		if p, err := verify.PlaceOf(c.Name); err == nil {
			k.path = p.Path
		}
		if at[k] == nil {
			at[k] = &group{mode: k.mode, path: k.path}
			list = append(list, at[k])
		}
		at[k].comparisons = append(at[k].comparisons, c)
	}
	return list
}

// failuresShown bounds the failing comparisons that a test case's text lists.
const failuresShown = 20

func (g *group) testCase(r *verify.Report) testCase {
	c := testCase{Class: clean(string(g.mode)), Name: clean(g.path)}
	var lines []string
	first, open := "", ""
	for _, x := range g.comparisons {
		if x.Open != "" && open == "" {
			open = x.Name + ": " + x.Open
		}
		if !x.Failed() {
			continue
		}
		if lines = append(lines, x.Name+": "+x.Problem); first == "" {
			first = x.Problem
			if why := r.ExplainedBy(x); why != "" {
				first += " (explained by " + why + ")"
			}
		}
	}
	if len(lines) == 0 {
		if open != "" {
			c.Skipped = &skipped{clean("undecided, for the run was stopped: " + open)}
		}
		return c
	}
	message := fmt.Sprintf("%d of %d passes: %s", len(lines), len(g.comparisons), first)
	if n := len(lines) - failuresShown; n > 0 {
		lines = append(lines[:failuresShown], fmt.Sprintf("and %d more", n))
	}
	if d := r.Divergence; d != nil && d.Op == g.path && d.Mode == g.mode {
		lines = append(lines, "This is the first divergence.")
		lines = append(lines, r.Story().Do...)
	}
	c.Failure = &failure{clean(message), clean(string(g.mode)), clean(strings.Join(lines, "\n"))}
	return c
}

// otherCases are the findings that no comparison stands for: names, logits, tokens
// and texts. Where tokens were compared they are a case of their own.
func otherCases(r *verify.Report) []testCase {
	var cases []testCase
	tokens := testCase{Class: "tokens", Name: "generated tokens"}
	for _, f := range r.Findings {
		if f.OfComparisons() {
			continue
		}
		text := f.Text
		if f.ExplainedBy != "" {
			text += " (explained by " + f.ExplainedBy + ")"
		}
		fail := &failure{clean(fmt.Sprintf("%d of %d: %s", f.Failed, f.Compared, text)), clean(f.Phase), clean(text)}
		if f.Subject == tokens.Name {
			tokens.Failure = fail
			continue
		}
		cases = append(cases, testCase{Class: clean(f.Phase), Name: clean(f.Subject), Failure: fail})
	}
	if r.Tokens.Compared > 0 || tokens.Failure != nil {
		cases = append(cases, tokens)
	}
	return cases
}

// clean replaces what XML 1.0 can't hold.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' && r != '\n' || r == 0xfffe || r == 0xffff {
			return '\ufffd'
		}
		return r
	}, s)
}
