package command

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/pflag"
)

// helpWidth is the number of columns that help is wrapped to.
const helpWidth = 100

// flagTable lists flags, what they are and their defaults, wrapped.
func flagTable(flags *pflag.FlagSet) string {
	var names, texts []string
	width := 0
	flags.VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			name, text := describe(f)
			names, texts = append(names, name), append(texts, text)
			width = max(width, utf8.RuneCountInString(name))
		}
	})
	var b strings.Builder
	for i, name := range names {
		for k, line := range wrap(texts[i], helpWidth-width-4) {
			if k > 0 {
				name = ""
			}
			fmt.Fprintf(&b, "  %s%s  %s\n", name, strings.Repeat(" ", width-utf8.RuneCountInString(name)), line)
		}
	}
	return b.String()
}

// describe returns "-o, --output FILE" and what the flag is, with its default.
func describe(f *pflag.Flag) (name, text string) {
	value, text := pflag.UnquoteUsage(f)
	name = "    --" + f.Name
	if f.Shorthand != "" {
		name = "-" + f.Shorthand + ", --" + f.Name
	}
	if value != "" && f.Value.Type() != "bool" {
		name += " " + value
	}
	if zero := []string{"", "0", "false", "[]"}; !slices.Contains(zero, f.DefValue) {
		text += " (default " + f.DefValue + ")"
	}
	return name, text
}

// wrap breaks a text into lines of at most width columns, where words allow it.
func wrap(text string, width int) []string {
	lines := []string{""}
	for _, word := range strings.Fields(text) {
		last := &lines[len(lines)-1]
		switch {
		case *last == "":
			*last = word
		case utf8.RuneCountInString(*last)+1+utf8.RuneCountInString(word) <= width:
			*last += " " + word
		default:
			lines = append(lines, word)
		}
	}
	return lines
}
