package page

import (
	"fmt"
	"math"

	"colakit/verify"
)

// Sizes of the picture of ratios in pixels, and its scale: 1/ratioScale to ratioScale.
const (
	ratioWidth, ratioRow, ratioTop = 320, 30, 18
	ratioLeft, ratioRight          = 22, 300
	ratioScale                     = 16
)

// ratioX places a ratio on the logarithmic scale.
func ratioX(r float64) float64 {
	at := math.Log(math.Min(math.Max(r, 1./ratioScale), ratioScale)) / math.Log(ratioScale)
	if math.IsNaN(at) {
		at = 1
	}
	return ratioLeft + (1+at)/2*(ratioRight-ratioLeft)
}

// ratios draws the candidate's errors against exact values in units of the golden's
// own, a figure for each mode: from the least to the most, and the median.
func ratios(r *verify.Report) []figure {
	var figures []figure
	for _, m := range []verify.Mode{verify.Isolated, verify.Free, verify.Generation} {
		var rows []verify.RatioRow
		for _, row := range r.Ratios {
			if row.Mode == m {
				rows = append(rows, row)
			}
		}
		if len(rows) > 0 {
			figures = append(figures, ratioFigure(m, rows))
		}
	}
	return figures
}

func ratioFigure(m verify.Mode, rows []verify.RatioRow) figure {
	title := string(m) + ": R_rms"
	f := verify.FigureText
	t := table{Caption: title, Heads: []string{"rule", "values", "failed", "better", "worse", "least", "median", "most", "largest R_max", "tap of the least", "tap of the most"}}
	var c canvas
	height := float64(ratioTop + ratioRow*len(rows) + 4)
	c.add(`<rect class="band" x="%v" y="%v" width="%v" height="%v"/>`, ratioX(0.9), float64(ratioTop-4), ratioX(1.1)-ratioX(0.9), height-ratioTop+4)
	for _, x := range []float64{1. / 16, 0.25, 1, 4, 16} {
		c.add(`<line class="grid" x1="%v" x2="%v" y1="%v" y2="%v"/><text x="%v" y="10" text-anchor="middle">%s</text>`, ratioX(x), ratioX(x), float64(ratioTop-4), height, ratioX(x), fmt.Sprintf("%.2g", x))
	}
	for i, row := range rows {
		y := float64(ratioTop + ratioRow*i)
		name, class := row.Rule, "s0"
		if name == "" {
			name, class = "not judged: "+row.Why, "s4"
		}
		c.add(`<g class="mark"><title>%s</title><rect class="hit" x="0" y="%v" width="320" height="30"/><text x="%v" y="%v">%s</text><line class="span %s" x1="%v" x2="%v" y1="%v" y2="%v"/>`,
			fmt.Sprintf("%s: R_rms %s to %s, median %s, of %d values; %d better than the golden, %d worse", name, f(row.Least), f(row.Most), f(row.Median), row.Compared, row.Better, row.Worse),
			y, 4.0, y+11, cutName(name), class, ratioX(row.Least), ratioX(row.Most), y+20, y+20)
		mark(&c, 0, ratioX(row.Median), y+20)
		c.b.WriteString("</g>")
		t.Rows = append(t.Rows, []string{name, fmt.Sprint(row.Compared), fmt.Sprint(row.Failed), fmt.Sprint(row.Better), fmt.Sprint(row.Worse), f(row.Least), f(row.Median), f(row.Most), f(row.Max), row.Lowest, row.Highest})
	}
	return figure{Title: title, Class: class(m), Note: "A line from the least to the most, a mark at the median; the band is 0.9 to 1.1.", Picture: picture{SVG: c.html(ratioWidth, height, title, 1)}, Table: t}
}

// cutName keeps a name within the picture.
func cutName(name string) string {
	const most = 48
	if runes := []rune(name); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return name
}

// diagnosis is what computing the failing operation anew showed.
type diagnosis struct {
	*verify.Diagnosis
	Lines []string
	Ways  table
}

func newDiagnosis(r *verify.Report) *diagnosis {
	if r.Divergence == nil || r.Divergence.Diagnosis == nil {
		return nil
	}
	d := r.Divergence.Diagnosis
	t := table{Caption: "Ways to compute the operation that come nearest", Heads: []string{"way", "topic", "side", "rel-L2 to it", "both sides apart", "explains"}}
	add := func(ways []verify.Hypothesis, explains string) {
		for _, h := range ways {
			t.Rows = append(t.Rows, []string{h.Says, string(h.Topic), h.Side, verify.FigureText(h.RelL2), verify.FigureText(h.Apart), explains})
		}
	}
	add(d.Matches, "yes")
	add(d.Closest, "no")
	return &diagnosis{d, d.MatchLines(), t}
}
