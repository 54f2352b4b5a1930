package page

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strconv"
	"strings"
)

// canvas collects the elements of an SVG picture. Text is escaped, coordinates are
// finite.
type canvas struct{ b strings.Builder }

// add writes an element: strings are escaped, numbers written as coordinates.
func (c *canvas) add(format string, args ...any) {
	safe := make([]any, len(args))
	for i, a := range args {
		switch v := a.(type) {
		case string:
			safe[i] = html.EscapeString(v)
		case float64:
			safe[i] = coordinate(v)
		default:
			safe[i] = v
		}
	}
	fmt.Fprintf(&c.b, format, safe...)
}

// coordinate formats a position to a tenth of a pixel.
func coordinate(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		v = 0
	}
	text := strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64)
	if text == "-0" {
		return "0"
	}
	return text
}

// html wraps the elements into a picture of the given size that the pointer, a finger
// and the arrow keys can explore: columns is the number of marks in a row, 1 for marks
// on a line.
func (c *canvas) html(width, height float64, label string, columns int) template.HTML {
	var out canvas
	out.add(`<svg class="explore" viewBox="0 0 %v %v" width="%v" height="%v" role="group" aria-roledescription="chart" aria-label="%s" tabindex="0" data-columns="%d">`,
		width, height, width, height, label, columns)
	out.b.WriteString(c.b.String())
	out.b.WriteString("</svg>")
	return template.HTML(out.b.String())
}
