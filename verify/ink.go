package verify

import (
	"fmt"
	"io"
	"math"
	"strings"
	"unicode/utf8"
)

// ink writes lines of a report for people: wrapped and cut to a width, coloured only
// where the reader is a terminal.
type ink struct {
	w      io.Writer
	width  int
	whole  bool // nothing is cut or left out
	colour bool
	err    error
}

// The colours, as ANSI codes.
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
)

func (k *ink) paint(code, text string) string {
	if !k.colour || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// line writes one line, cut to the width.
func (k *ink) line(format string, args ...any) {
	if k.err != nil {
		return
	}
	text := fmt.Sprintf(format, args...)
	if !k.whole {
		text = cut(text, k.width)
	}
	_, k.err = io.WriteString(k.w, text+"\n")
}

// faint writes dimmed text over several lines, the later ones indented.
func (k *ink) faint(indent, text string) {
	if k.colour {
		indent = "\x1b[" + dim + "m" + indent
		text += "\x1b[0m"
	}
	k.wrapped(indent, indent, text)
}

// wrapped writes text over several lines, the later ones indented.
func (k *ink) wrapped(first, indent, text string) {
	line := first
	for _, word := range strings.Fields(text) {
		if visible(line)+1+visible(word) > k.width && strings.TrimSpace(line) != "" {
			k.line("%s", line)
			line = indent
		}
		if line != "" && !strings.HasSuffix(line, " ") {
			line += " "
		}
		line += word
	}
	k.line("%s", line)
}

// visible counts the columns a text takes, escape sequences left out.
func visible(text string) int {
	n, escape := 0, false
	for _, r := range text {
		switch {
		case r == '\x1b':
			escape = true
		case escape:
			escape = r != 'm'
		default:
			n++
		}
	}
	return n
}

// cut shortens a text to width columns, keeping escape sequences whole.
func cut(text string, width int) string {
	if visible(text) <= width {
		return text
	}
	var b strings.Builder
	n, escape := 0, false
	for _, r := range text {
		switch {
		case r == '\x1b':
			escape = true
		case escape:
			escape = r != 'm'
		case n >= width-1:
			if n == width-1 {
				b.WriteRune('…')
			}
			n++
			continue
		default:
			n++
		}
		b.WriteRune(r)
	}
	return b.String()
}

// share formats the used part of a limit as ShareText does.
func (k *ink) share(s float64) string {
	text := ShareText(s)
	switch {
	case s > 1:
		return k.paint(red, text)
	case s > 0.5:
		return k.paint(yellow, text)
	}
	return text
}

// ShareText formats the used part of a limit: "28 %", "31×"; "∞" where the limit is 0,
// or the figure NaN.
func ShareText(s float64) string {
	switch {
	case s >= mostShare:
		return "∞"
	case s >= 1000:
		return fmt.Sprintf("%.0e×", s)
	case s > 10:
		return fmt.Sprintf("%.0f×", s)
	case s > 1:
		return fmt.Sprintf("%.1f×", s)
	}
	return fmt.Sprintf("%.0f %%", 100*s)
}

// bar draws the used part of a limit, 8 columns for the whole of it.
func (k *ink) bar(s float64) string {
	const cells = 8
	if s > 1 {
		return k.paint(red, strings.Repeat("█", cells))
	}
	eighths := int(math.Round(s * cells * 8))
	text := strings.Repeat("█", eighths/8)
	if eighths%8 > 0 {
		text += string([]rune("▏▎▍▌▋▊▉")[eighths%8-1])
	}
	text += strings.Repeat("·", cells-utf8.RuneCountInString(text))
	switch {
	case s > 0.5:
		return k.paint(yellow, text)
	}
	return k.paint(green, text)
}

// spark draws figures on a logarithmic scale, one column each: the lowest stroke
// is a tenth of a per cent of the largest, or less.
func spark(values []float64) string {
	top := 0.0
	for _, v := range values {
		top = max(top, v)
	}
	strokes := []rune("▁▂▃▄▅▆▇█")
	var b strings.Builder
	for _, v := range values {
		level := 0
		if v > 0 && top > 0 {
			level = int(float64(len(strokes)-1) + math.Log10(v/top)/3*float64(len(strokes)-1))
		}
		b.WriteRune(strokes[min(max(level, 0), len(strokes)-1)])
	}
	return b.String()
}
