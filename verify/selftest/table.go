package selftest

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// columns are those of the table; the last is cut to what the width leaves.
type columns []string

// WriteTable prints a line for every result, and the sums. A positive width cuts what
// was said; 0 leaves it whole.
func (r *Report) WriteTable(w io.Writer, width int) error {
	rows := []columns{{"", "case", "seconds", "verdict", "located at", "wanted", "pattern or hypothesis"}}
	for _, result := range r.Results {
		rows = append(rows, result.columns())
	}
	widths := make([]int, len(rows[0])-1)
	for _, row := range rows {
		for i := range widths {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
	}
	for i, row := range rows {
		if _, err := fmt.Fprintln(w, row.line(widths, width)); err != nil {
			return err
		}
		if i > 0 && r.Results[i-1].Problem != "" {
			if _, err := fmt.Fprintf(w, "       %s\n       it imitates: %s\n", r.Results[i-1].Problem, r.Results[i-1].Imitates); err != nil {
				return err
			}
		}
	}
	_, err := fmt.Fprintf(w, "\n%s\n", r)
	return err
}

func (r Result) columns() columns {
	mark := "ok"
	switch {
	case r.Skipped != "":
		return columns{"–", r.Name, fmt.Sprintf("%.1f", r.Seconds), "", "", shorten(r.Wanted), r.Skipped}
	case !r.Right:
		mark = "WRONG"
	}
	located, said := r.Located, r.Said
	if r.Verdict == refused || r.Verdict == damaged {
		located, said = "", r.Located
	}
	return columns{mark, r.Name, fmt.Sprintf("%.1f", r.Seconds), r.Verdict, shorten(located), shorten(r.Wanted), said}
}

// shorten keeps a column of names narrow.
func shorten(text string) string {
	const most = 48
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	runes := []rune(text)
	return string(runes[:most-1]) + "…"
}

func (c columns) line(widths []int, width int) string {
	var b strings.Builder
	for i, w := range widths {
		fmt.Fprintf(&b, "%-*s  ", w, c[i])
	}
	b.WriteString(c[len(widths)])
	text := []rune(strings.TrimRight(b.String(), " "))
	if width > 0 && len(text) > width {
		text = append(text[:width-1], '…')
	}
	return string(text)
}

// WriteList prints the names of cases, what they imitate and the bundle they run on.
func WriteList(w io.Writer, cases []Case) error {
	name, group := 0, 0
	for _, c := range cases {
		name, group = max(name, len(c.Name)), max(group, len(c.Group))
	}
	for _, c := range cases {
		if _, err := fmt.Fprintf(w, "%-*s  %-*s  %-15s  %s\n", group, c.Group, name, c.Name, c.Bundle, c.Imitates); err != nil {
			return err
		}
	}
	return nil
}
