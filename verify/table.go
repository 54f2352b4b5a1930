package verify

import (
	"math"
	"slices"
	"strings"
)

// table aligns columns. The first letters of a head mark its column: '>' aligns right,
// '?' may be left out and '~' shortened in the middle where the width is short.
type table struct {
	heads []string
	rows  [][]string
	parts bool // what is still too wide is printed in parts, each with the first column
}

func newTable(heads ...string) *table { return &table{heads: heads} }

// newWideTable begins a table that is printed in parts where it is too wide.
func newWideTable(heads ...string) *table { return &table{heads: heads, parts: true} }

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

const tableMarks = ">?~"

func (t *table) write(k *ink) {
	width := k.width
	if k.whole {
		width = math.MaxInt
	}
	widths := t.fit(width)
	for i, columns := range t.divide(widths, width) {
		if i > 0 {
			k.line("")
		}
		t.writeColumns(k, columns, widths)
	}
}

func (t *table) writeColumns(k *ink, columns, widths []int) {
	heads := make([]string, len(t.heads))
	for i, h := range t.heads {
		heads[i] = strings.TrimLeft(h, tableMarks)
	}
	for n, row := range append([][]string{heads}, t.rows...) {
		var b strings.Builder
		for _, i := range columns {
			cell := row[i]
			if visible(cell) > widths[i] {
				cell = shorten(cell, widths[i])
			}
			gap := strings.Repeat(" ", widths[i]-visible(cell))
			if t.marked(i, ">") {
				cell = gap + cell
			} else {
				cell += gap
			}
			b.WriteString("  " + cell)
		}
		text := strings.TrimRight(b.String(), " ")
		if n == 0 {
			text = k.paint(dim, text)
		}
		k.line("%s", text)
	}
}

// marked reports whether a column's head begins with a mark, among others.
func (t *table) marked(i int, mark string) bool {
	h := t.heads[i]
	return strings.Contains(h[:len(h)-len(strings.TrimLeft(h, tableMarks))], mark)
}

// fit returns the columns' widths; −1 for those left out, the last first.
func (t *table) fit(width int) []int {
	widths := make([]int, len(t.heads))
	total := 0
	for i, h := range t.heads {
		widths[i] = visible(strings.TrimLeft(h, tableMarks))
		for _, r := range t.rows {
			widths[i] = max(widths[i], visible(r[i]))
		}
		total += 2 + widths[i]
	}
	for i := len(t.heads) - 1; i >= 0 && total > width; i-- {
		if t.marked(i, "?") {
			total -= 2 + widths[i]
			widths[i] = -1
		}
	}
	for i := range t.heads {
		if over := total - width; over > 0 && t.marked(i, "~") && widths[i] > leastName {
			less := min(over, widths[i]-leastName)
			widths[i], total = widths[i]-less, total-less
		}
	}
	return widths
}

// leastName is the width below which no name is shortened.
const leastName = 16

// divide groups the columns that are printed into parts that fit.
func (t *table) divide(widths []int, width int) [][]int {
	var parts [][]int
	var part []int
	total := 0
	for i, w := range widths {
		if w < 0 {
			continue
		}
		if t.parts && len(part) > 1 && total+2+w > width {
			parts, part, total = append(parts, part), []int{0}, 2+widths[0]
		}
		part, total = append(part, i), total+2+w
	}
	return slices.DeleteFunc(append(parts, part), func(p []int) bool { return len(p) == 0 })
}

// shorten leaves the middle of a name out: of a tap, the end says most.
func shorten(name string, width int) string {
	runes := []rune(name)
	if len(runes) <= width {
		return name
	}
	head := (width - 1) / 3
	return string(runes[:head]) + "…" + string(runes[len(runes)-(width-1-head):])
}
