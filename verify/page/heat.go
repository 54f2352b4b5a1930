package page

import (
	"fmt"
	"html/template"
	"slices"
	"strings"

	"colakit/verify"
)

// cell sums up the comparisons of one place in a heat map.
type cell struct {
	compared, judged, failed int
	worst                    *verify.Comparison // of those that failed, else that are judged, else the largest rel-L2
}

func (c *cell) add(x *verify.Comparison) {
	c.compared++
	if x.Rule != "" {
		c.judged++
	}
	if x.Failed() {
		c.failed++
	}
	if c.worst == nil || worse(x, c.worst) {
		c.worst = x
	}
}

// worse orders comparisons by what a reader should see first.
func worse(a, b *verify.Comparison) bool {
	if a.Failed() != b.Failed() {
		return a.Failed()
	}
	if (a.Rule != "") != (b.Rule != "") {
		return a.Rule != ""
	}
	if a.Share != b.Share {
		return a.Share > b.Share
	}
	return a.Summary.RelL2 > b.Summary.RelL2
}

// shades are the upper bounds of the shades' shares; the last one ends at the limit.
var shades = []float64{0.01, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1}

// class names the style of a cell.
func (c *cell) class() string {
	switch {
	case c == nil:
		return "none"
	case c.failed > 0:
		return "bad"
	case c.judged == 0:
		return "shown"
	}
	for i, bound := range shades {
		if c.worst.Share <= bound {
			return fmt.Sprintf("h%d", i)
		}
	}
	return "bad"
}

// figure is the cell in a table.
func (c *cell) figure() string {
	switch {
	case c == nil:
		return ""
	case c.judged == 0 && c.failed == 0:
		return verify.FigureText(c.worst.Summary.RelL2)
	}
	return verify.ShareText(c.worst.Share)
}

// tip describes the cell in a sentence.
func (c *cell) tip() string {
	w := c.worst
	op := w.Name
	if p, err := verify.PlaceOf(w.Name); err == nil {
		op = p.Op
	}
	text := fmt.Sprintf("%s, rel-L2 %s", op, verify.FigureText(w.Summary.RelL2))
	switch {
	case c.failed > 0:
		return fmt.Sprintf("%d of %d fail; worst %s: %s", c.failed, c.compared, text, w.Problem)
	case c.judged == 0:
		return fmt.Sprintf("shown, not judged; largest %s", text)
	}
	return fmt.Sprintf("%s of a tolerance, at %s (%d compared)", verify.ShareText(w.Share), text, c.compared)
}

// heat is a map of cells: layers down, steps, blocks or operations across.
type heat struct {
	title      string
	rows, cols []string
	heads      []string // over the first column of each group; "" elsewhere
	cells      map[[2]string]*cell
}

func newHeat(title string) *heat { return &heat{title: title, cells: map[[2]string]*cell{}} }

// add puts a comparison into a cell; head stands over the columns it begins.
func (h *heat) add(row, col, head string, c *verify.Comparison) {
	if !slices.Contains(h.rows, row) {
		h.rows = append(h.rows, row)
	}
	if !slices.Contains(h.cols, col) {
		h.cols = append(h.cols, col)
		h.heads = append(h.heads, head)
	}
	at := [2]string{row, col}
	if h.cells[at] == nil {
		h.cells[at] = &cell{}
	}
	h.cells[at].add(c)
}

// Sizes in pixels.
const (
	side      = 16  // of a cell
	letter    = 6.2 // width of a character
	slantRise = 0.87
)

// picture draws the map.
func (h *heat) picture() template.HTML {
	var c canvas
	left, top := 10+letter*float64(longest(h.rows)), h.top()
	for j, col := range h.cols {
		h.column(&c, left+side*float64(j), top, j, col)
	}
	for i, row := range h.rows {
		y := top + side*float64(i)
		c.add(`<text x="%v" y="%v" text-anchor="end">%s</text>`, left-6, y+12, row)
		for j, col := range h.cols {
			h.mark(&c, left+side*float64(j), y, row, col)
		}
	}
	width := left + side*float64(len(h.cols)) + 12
	switch {
	case h.slanted():
		width += letter * float64(longest(h.cols)) / 2
	case h.grouped():
		width += letter * float64(longest(h.heads)) // over the last column
	}
	return c.html(width, top+side*float64(len(h.rows))+4, h.title+": "+h.summary(), len(h.cols))
}

// slanted reports whether the columns' names are too long to stand upright.
func (h *heat) slanted() bool { return longest(h.cols) > 2 && !h.grouped() }

// grouped reports whether heads stand over the columns.
func (h *heat) grouped() bool {
	return slices.ContainsFunc(h.heads, func(s string) bool { return s != "" })
}

func (h *heat) top() float64 {
	switch {
	case h.grouped():
		return 32
	case h.slanted():
		return 12 + letter*slantRise*float64(longest(h.cols))
	}
	return 18
}

func (h *heat) column(c *canvas, x, top float64, j int, col string) {
	switch {
	case h.slanted():
		c.add(`<text transform="translate(%v %v) rotate(-60)">%s</text>`, x+side*0.6, top-5, col)
		return
	case h.grouped():
		if h.heads[j] != "" {
			c.add(`<text x="%v" y="12" class="head">%s</text><line x1="%v" x2="%v" y1="4" y2="%v" class="rule"/>`, x+3, h.head(j), x, x, top)
		}
	}
	c.add(`<text x="%v" y="%v" text-anchor="middle">%s</text>`, x+side/2, top-5, shortColumn(col))
}

// head is what stands over the columns from j to the next head: "block 12", or "b12"
// where that is too long.
func (h *heat) head(j int) string {
	text, room := h.heads[j], 1
	for j+room < len(h.heads) && h.heads[j+room] == "" {
		room++
	}
	kind, number, ok := strings.Cut(text, " ")
	if last := j+room == len(h.heads); ok && !last && letter*float64(len(text)) > side*float64(room)-3 {
		return kind[:1] + number
	}
	return text
}

// shortColumn is the part of a column's name that stands over it: "1" of "block 0, 1".
func shortColumn(col string) string {
	for i := len(col) - 1; i >= 0; i-- {
		if col[i] == ' ' {
			return col[i+1:]
		}
	}
	return col
}

func (h *heat) mark(c *canvas, x, y float64, row, col string) {
	v := h.cells[[2]string{row, col}]
	class := v.class()
	if v == nil {
		c.add(`<rect class="%s" x="%v" y="%v" width="15" height="15"/>`, class, x, y)
		return
	}
	c.add(`<g class="mark"><title>%s</title><rect class="%s" x="%v" y="%v" width="15" height="15"/>`, row+" · "+col+": "+v.tip(), class, x, y)
	if class == "bad" { // a form besides the colour
		c.add(`<path class="cross" d="M%v %vl7 7m0 -7l-7 7"/>`, x+4, y+4)
	}
	c.b.WriteString("</g>")
}

// summary says in words what the map shows.
func (h *heat) summary() string {
	failed, total := 0, 0
	for _, v := range h.cells {
		total++
		if v.failed > 0 {
			failed++
		}
	}
	if failed == 0 {
		return fmt.Sprintf("no cell of %d fails", total)
	}
	return fmt.Sprintf("%d of %d cells fail", failed, total)
}

// table holds the map's figures.
func (h *heat) table() table {
	t := table{Caption: h.title, Heads: append([]string{"layer"}, h.cols...)}
	for _, row := range h.rows {
		cells := []string{row}
		for _, col := range h.cols {
			cells = append(cells, h.cells[[2]string{row, col}].figure())
		}
		t.Rows = append(t.Rows, cells)
	}
	return t
}

func longest(texts []string) int {
	n := 0
	for _, t := range texts {
		n = max(n, len(t))
	}
	return n
}
