package page

import (
	"fmt"
	"html/template"
	"math"

	"colakit/verify"
)

// point is a figure at a position of the horizontal axis.
type point struct {
	x, y float64
	tip  string
}

// series is a line through points. Style is 0…5; it sets lightness, dashes and the
// form of the marks.
type series struct {
	name   string
	style  int
	points []point
	faint  bool // a line without marks, for scale
}

// plot draws series over a linear horizontal and a logarithmic vertical axis.
type plot struct {
	title, note    string
	class          string
	xLabel, yLabel string
	ticks          []tick  // of the horizontal axis
	apart          float64 // points that are farther apart are not connected; 0: all are
	series         []series
}

type tick struct {
	at   float64
	text string
}

// Sizes of a plot in pixels.
const (
	plotWidth, plotHeight                    = 340, 210
	plotLeft, plotRight, plotTop, plotBottom = 48, 10, 10, 36
	innerWidth, innerHeight                  = plotWidth - plotLeft - plotRight, plotHeight - plotTop - plotBottom
	leastDecade, mostDecade                  = -40, 40
	decadeLabels, tickLabels                 = 6, 9
)

// axes are the ranges of a plot.
type axes struct{ x0, x1, low, high float64 } // high and low are decades

func (p plot) axes() axes {
	a := axes{math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)}
	for _, s := range p.series {
		for _, q := range s.points {
			a.x0, a.x1 = math.Min(a.x0, q.x), math.Max(a.x1, q.x)
			if drawable(q.y) && !s.faint {
				d := math.Log10(q.y)
				a.low, a.high = math.Min(a.low, math.Floor(d)), math.Max(a.high, math.Ceil(d))
			}
		}
	}
	if a.low > a.high { // nothing above zero
		a.low, a.high = -8, 0
	}
	if a.low == a.high {
		a.high++
	}
	a.low, a.high = math.Max(a.low, leastDecade), math.Min(a.high, mostDecade)
	return a
}

func drawable(y float64) bool { return y > 0 && !math.IsInf(y, 0) }

func (a axes) x(v float64) float64 {
	if a.x1 == a.x0 {
		return plotLeft + innerWidth/2
	}
	return plotLeft + 6 + (v-a.x0)/(a.x1-a.x0)*(innerWidth-12)
}

// y places a figure; zero lies on the lower edge.
func (a axes) y(v float64) float64 {
	d := a.low
	if drawable(v) {
		d = math.Min(math.Max(math.Log10(v), a.low), a.high)
	}
	return plotTop + (a.high-d)/(a.high-a.low)*innerHeight
}

// figure draws the plot; ok is false where there is nothing to draw.
func (p plot) figure() (f figure, ok bool) {
	n := 0
	for _, s := range p.series {
		n += len(s.points)
	}
	if n == 0 {
		return f, false
	}
	var c canvas
	a := p.axes()
	p.grid(&c, a)
	for _, s := range p.series {
		s.draw(&c, a, p.apart)
	}
	return figure{Title: p.title, Note: p.note, Class: p.class, Picture: picture{c.html(plotWidth, plotHeight, p.title+", "+p.yLabel+" over "+p.xLabel, 1), p.legend()}, Table: p.table()}, true
}

// picture is a chart with the legend under it.
type picture struct {
	SVG    template.HTML
	Legend []key
}

type key struct {
	SVG  template.HTML
	Name string
}

func (p plot) grid(c *canvas, a axes) {
	every := math.Max(1, math.Ceil((a.high-a.low)/decadeLabels))
	for d := a.low; d <= a.high; d += every {
		y := plotTop + (a.high-d)/(a.high-a.low)*innerHeight
		c.add(`<line class="grid" x1="%v" x2="%v" y1="%v" y2="%v"/><text x="%v" y="%v" text-anchor="end">1e%d</text>`,
			float64(plotLeft), float64(plotWidth-plotRight), y, y, float64(plotLeft-4), y+4, int(d))
	}
	every = math.Max(1, math.Ceil(float64(len(p.ticks))*p.tickWidth()/innerWidth))
	for i, t := range p.ticks {
		if i%int(every) == 0 {
			c.add(`<text x="%v" y="%v" text-anchor="middle">%s</text>`, a.x(t.at), float64(plotHeight-plotBottom+14), t.text)
		}
	}
	c.add(`<text class="axis" x="%v" y="%v" text-anchor="middle">%s</text>`, float64(plotLeft+innerWidth/2), float64(plotHeight-4), p.xLabel)
}

// tickWidth is the room that a label of the horizontal axis needs.
func (p plot) tickWidth() float64 {
	n := 0
	for _, t := range p.ticks {
		n = max(n, len(t.text))
	}
	return letter*float64(n) + 8
}

func (s series) draw(c *canvas, a axes, apart float64) {
	for i, q := range s.points {
		switch begins := i == 0 || apart > 0 && q.x-s.points[i-1].x > apart; {
		case begins && i > 0:
			c.b.WriteString(`"/>`)
			fallthrough
		case begins:
			c.add(`<polyline class="line s%d" points="%v,%v`, s.style, a.x(q.x), a.y(q.y))
		default:
			c.add(" %v,%v", a.x(q.x), a.y(q.y))
		}
	}
	if len(s.points) > 0 {
		c.b.WriteString(`"/>`)
	}
	if s.faint {
		return
	}
	for _, q := range s.points {
		c.add(`<g class="mark"><title>%s</title>`, q.tip)
		mark(c, s.style, a.x(q.x), a.y(q.y))
		c.b.WriteString("</g>")
	}
}

// mark draws the sign of a style: circle, square, triangle, diamond, in turn.
func mark(c *canvas, style int, x, y float64) {
	switch style % 4 {
	case 0:
		c.add(`<circle class="dot s%d" cx="%v" cy="%v" r="3"/>`, style, x, y)
	case 1:
		c.add(`<rect class="dot s%d" x="%v" y="%v" width="5.4" height="5.4"/>`, style, x-2.7, y-2.7)
	case 2:
		c.add(`<path class="dot s%d" d="M%v %vl3.4 6h-6.8z"/>`, style, x, y-3.6)
	default:
		c.add(`<path class="dot s%d" d="M%v %vl3.6 3.6l-3.6 3.6l-3.6 -3.6z"/>`, style, x, y-3.6)
	}
}

func (p plot) legend() []key {
	var keys []key
	for _, s := range p.series {
		var c canvas
		c.add(`<svg class="key" width="30" height="10" viewBox="0 0 30 10" aria-hidden="true"><line class="line s%d" x1="0" x2="30" y1="5" y2="5"/>`, s.style)
		if !s.faint {
			mark(&c, s.style, 15, 5)
		}
		c.b.WriteString("</svg>")
		keys = append(keys, key{template.HTML(c.b.String()), s.name})
	}
	return keys
}

// table holds the plot's figures: positions down, series across.
func (p plot) table() table {
	t := table{Caption: p.title + ", " + p.yLabel, Heads: []string{p.xLabel}}
	for _, s := range p.series {
		if !s.faint {
			t.Heads = append(t.Heads, s.name)
		}
	}
	for _, k := range p.ticks {
		row := []string{k.text}
		for _, s := range p.series {
			if !s.faint {
				row = append(row, s.at(k.at))
			}
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func (s series) at(x float64) string {
	for _, q := range s.points {
		if q.x == x {
			return verify.FigureText(q.y)
		}
	}
	return ""
}

// numbered returns ticks at 0 … n−1.
func numbered(n int) []tick {
	ticks := make([]tick, n)
	for i := range ticks {
		ticks[i] = tick{float64(i), fmt.Sprint(i)}
	}
	return ticks
}
