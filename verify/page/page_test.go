package page_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/verify"
	"colakit/verify/page"
	"colakit/verify/verifytest"
)

var update = flag.Bool("update", false, "write the golden file")

func html(t *testing.T, s *verify.Suite) string {
	t.Helper()
	var b bytes.Buffer
	if err := page.Write(&b, s); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// code matches what stands in files of its own.
var code = regexp.MustCompile(`(?s)(<style>|<script>).*?(</style>|</script>)`)

func TestGolden(t *testing.T) {
	suite := func() *verify.Suite {
		return verify.NewSuite(verifytest.Failing(verifytest.Shape{Layers: 2, Blocks: 2, Steps: 1}))
	}
	whole := html(t, suite())
	if again := html(t, suite()); again != whole {
		t.Error("the same suite gives other bytes")
	}
	got := code.ReplaceAllString(whole, "$1$2")
	path := filepath.Join("testdata", "suite.html")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("run with -update if that is meant (-want +got)\n%s", diff)
	}
}

// suites are made-up reports of every kind.
func suites() map[string]*verify.Suite {
	odd := verifytest.Failing(verifytest.Small)
	for i, c := range odd.Comparisons {
		v := []float64{math.NaN(), math.Inf(1), 0, math.MaxFloat64, math.SmallestNonzeroFloat64}[i%5]
		c.Share, c.Summary.RelL2, c.Summary.Cosine = v, v, v
	}
	for i := range odd.Layers {
		odd.Layers[i].Isolated.RelL2 = []float64{math.NaN(), math.Inf(1)}[i%2]
	}
	for i := range odd.Passes {
		for j := range odd.Passes[i].Steps {
			odd.Passes[i].Steps[j] = []float64{math.NaN(), math.Inf(1), 0}[j%3]
		}
	}
	for i := range odd.Profiles {
		for j := range odd.Profiles[i].Magnitudes {
			odd.Profiles[i].Magnitudes[j].RMS = []float64{math.NaN(), math.Inf(1), 0}[j%3]
		}
	}
	odd.Policy[0].Share = math.Inf(1)
	bare := &verify.Report{Verdict: verify.Incomplete, Reason: "the bundle records nothing that could be compared"}
	strange := verifytest.Passing(verifytest.Small)
	for _, c := range strange.Comparisons {
		c.Name = "</title><script>" + c.Name
	}
	return map[string]*verify.Suite{
		"pass and fail": verifytest.Suite(), "NaN and infinity": verify.NewSuite(odd), "one that passes": verify.NewSuite(verifytest.Passing(verifytest.Small)),
		"nothing at all": verify.NewSuite(), "one that was stopped": verify.NewSuite(verifytest.Stopped(verifytest.Small)), "an empty report": verify.NewSuite(bare), "names that are no taps'": verify.NewSuite(strange),
	}
}

// TestWellFormed parses every page as XML, which wants what HTML forgives.
func TestWellFormed(t *testing.T) {
	numbers := regexp.MustCompile(`(?s)<svg.*?</svg>`)
	for name, s := range suites() {
		text := html(t, s)
		d := xml.NewDecoder(strings.NewReader(code.ReplaceAllString(text, "")))
		ids, open := map[string]bool{}, 0
		for {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Errorf("%s: %v", name, err)
				break
			}
			e, ok := token.(xml.StartElement)
			if !ok {
				continue
			}
			open++
			for _, a := range e.Attr {
				if a.Name.Local == "id" && ids[a.Value] {
					t.Errorf("%s: two elements are called %q", name, a.Value)
				}
				ids[a.Value] = ids[a.Value] || a.Name.Local == "id"
			}
		}
		if open < 10 {
			t.Errorf("%s: %d elements", name, open)
		}
		attributes := regexp.MustCompile(`(points|d|x|y|x1|x2|y1|y2|cx|cy|width|height|viewBox)="[^"]*(NaN|Inf|e[+-]|%!)[^"]*"`)
		for _, svg := range numbers.FindAllString(text, -1) {
			if found := attributes.FindString(svg); found != "" {
				t.Errorf("%s: a picture has %s", name, found)
			}
		}
		if strings.Contains(text, "%!") || strings.Contains(text, "ZgotmplZ") {
			t.Errorf("%s: a format or an escape went wrong", name)
		}
	}
}

// TestNothingIsFetched: the page stands alone.
func TestNothingIsFetched(t *testing.T) {
	outside := regexp.MustCompile(`(?i)https?:|src=|url\(|@import|<link|<iframe|<object|fetch\(|XMLHttp|WebSocket|import\(|eval\(`)
	for name, s := range suites() {
		if found := outside.FindString(html(t, s)); found != "" {
			t.Errorf("%s: holds %q", name, found)
		}
	}
}

// TestHostileNames: names are text wherever they stand.
func TestHostileNames(t *testing.T) {
	text := html(t, verifytest.Suite())
	if strings.Count(text, "<script>") != 1 || strings.Contains(text, "<b>x</b>") || strings.Contains(text, "<i>") {
		t.Error("a name became a part of the page")
	}
	if !strings.Contains(text, "&lt;script&gt;alert") {
		t.Error("the name is not shown")
	}
}

// TestAnswers: the page says what is wrong, where, why, and what to do, in this order
// and before anything else.
func TestAnswers(t *testing.T) {
	text := html(t, verifytest.Suite())
	at := 0
	for _, part := range []string{"FAIL", "<h1>dit.blocks.1.msa.out computes something else", "What is wrong", "Where", "msa.out of dit layer 1", "Why do you think so", "What do I do", "colaconv diff",
		"Failures", "First divergence", "cond: layer × step", "How errors grow", "Gain by layer", "unstable", "Guidance", "Gain of guidance", "Errors against exact values", "Error against magnitude", "Distances in ULP", "Tokens and logits", "TIE-FLIP", "Tolerances", "Every verdict", "Coverage", "What both sides ran on", "2.15.0"} {
		next := strings.Index(text[at:], part)
		if next < 0 {
			t.Fatalf("no %q after the ones before it", part)
		}
		at += next
	}
}

// TestConditions: what a verdict is limited to stands by it.
func TestConditions(t *testing.T) {
	text := html(t, verify.NewSuite(verifytest.Stopped(verifytest.Small)))
	for _, want := range []string{"INCOMPLETE of what was selected with 1 override", "the verdict holds for that alone: blocks 0-1, ops msa.*", "stopped before its end: out of time",
		"limits × 4", "&lt;i&gt;older", "limits replaced", "free-running: left when the run was stopped", ">open<"} {
		if !strings.Contains(text, want) {
			t.Errorf("does not say %q", want)
		}
	}
}

// TestLargeRuns: a page of the released shapes stays one that a phone opens, and says
// what it leaves out.
func TestLargeRuns(t *testing.T) {
	r := verifytest.Failing(verifytest.Shape{Layers: 24, Blocks: 8, Steps: 16})
	text := html(t, verify.NewSuite(r))
	if n := len(text); n > 3<<20 {
		t.Errorf("%d bytes for %d comparisons", n, len(r.Comparisons))
	}
	for _, want := range []string{fmt.Sprintf("1200 of %d comparisons", len(r.Comparisons)), "--csv and --json hold all", "The worst over operations and all 8 blocks.", "The first 3 and the last 3 of 8 blocks"} {
		if !strings.Contains(text, want) {
			t.Errorf("does not say %q", want)
		}
	}
}

// TestWriteErrors: a full disk is reported.
func TestWriteErrors(t *testing.T) {
	if err := page.Write(full{}, verifytest.Suite()); err == nil {
		t.Error("no error")
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }
