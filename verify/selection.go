package verify

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Selection says which of a bundle's values are compared. Every part that is not
// empty narrows it down; the zero value selects all.
type Selection struct {
	Blocks  Ranges    // generated blocks; leaves out passes of no block
	Steps   Ranges    // steps of a block; leaves out passes of no step
	Passes  []string  // some of Passes
	Layers  []Layers  // of the model
	Ops     []Pattern // of module paths or of names within a layer
	Samples Ranges    // prompts of the batch
	Rows    Rows      // of each value
}

// Ranges are sets of numbers from 0 on; none stands for all.
type Ranges []Range

// Range holds the numbers from First to Last.
type Range struct{ First, Last int }

// ParseRanges reads "0-3,7". The empty text is all.
func ParseRanges(text string) (Ranges, error) {
	var ranges Ranges
	for _, part := range list(text) {
		r, err := parseRange(part)
		if err != nil {
			return nil, err
		}
		ranges = append(ranges, r)
	}
	return ranges, nil
}

func parseRange(text string) (Range, error) {
	first, last, both := strings.Cut(text, "-")
	if !both {
		last = first
	}
	a, errA := strconv.ParseUint(first, 10, 31)
	b, errB := strconv.ParseUint(last, 10, 31)
	if errA != nil || errB != nil || a > b {
		return Range{}, fmt.Errorf("%q is no range; wanted numbers and ranges such as 0-3,7", text)
	}
	return Range{int(a), int(b)}, nil
}

// list splits at commas; the empty text has no parts.
func list(text string) []string {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	parts := strings.Split(text, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}

// Holds reports whether a number is selected.
func (r Ranges) Holds(n int) bool {
	return len(r) == 0 || slices.ContainsFunc(r, func(x Range) bool { return x.First <= n && n <= x.Last })
}

// String is the inverse of ParseRanges.
func (r Ranges) String() string {
	parts := make([]string, len(r))
	for i, x := range r {
		if parts[i] = strconv.Itoa(x.First); x.Last != x.First {
			parts[i] += "-" + strconv.Itoa(x.Last)
		}
	}
	return strings.Join(parts, ",")
}

// Layers are blocks of one section of the model, or of all.
type Layers struct {
	Section string // "encoder", "dit", "decoder", "loop"; "": every one
	Numbers Ranges // none: all of the section, with what surrounds its blocks
}

// sections are the values of Layers.Section.
var sections = []string{"encoder", "dit", "decoder", "loop"}

// ParseLayers reads a list of "3", "0-3", "dit.0-3", "decoder".
func ParseLayers(text string) ([]Layers, error) {
	var layers []Layers
	for _, part := range list(text) {
		l := Layers{}
		section, numbers, dotted := strings.Cut(part, ".")
		switch {
		case slices.Contains(sections, section):
			l.Section = section
		case dotted:
			return nil, fmt.Errorf("%q names no section of the model; known are %s", part, strings.Join(sections, ", "))
		default:
			numbers = part
		}
		if dotted || l.Section == "" {
			r, err := parseRange(numbers)
			if err != nil {
				return nil, fmt.Errorf("%q is no layer; wanted such as 3, 0-3, dit.0-3 or decoder", part)
			}
			l.Numbers = Ranges{r}
		}
		layers = append(layers, l)
	}
	return layers, nil
}

// String is the inverse of ParseLayers for one element.
func (l Layers) String() string {
	switch {
	case l.Section == "":
		return l.Numbers.String()
	case l.Numbers == nil:
		return l.Section
	}
	return l.Section + "." + l.Numbers.String()
}

func (l Layers) holds(section string, layer int) bool {
	if l.Section != "" && l.Section != section {
		return false
	}
	return l.Numbers == nil || layer >= 0 && l.Numbers.Holds(layer)
}

// A Pattern selects operations: a glob (* matches any characters, dots too, and ?
// one) for the whole module path, "dit.blocks.*.msa.out", or for the name within
// the layer, "msa.out"; or, between slashes, a regular expression that is searched
// in the module path.
type Pattern struct {
	text string
	expr *regexp.Regexp // nil: a glob
}

// ParsePatterns reads a list of patterns; a comma within slashes does not divide.
func ParsePatterns(text string) ([]Pattern, error) {
	var patterns []Pattern
	for rest := strings.TrimSpace(text); rest != ""; {
		part, after := cutPattern(rest)
		rest = strings.TrimSpace(after)
		p, err := parsePattern(part)
		if err != nil {
			return nil, err
		}
		patterns = append(patterns, p)
	}
	return patterns, nil
}

// cutPattern divides a list behind its first pattern.
func cutPattern(list string) (first, rest string) {
	at := 0
	if list[0] == '/' {
		if end := strings.Index(list[1:], "/"); end >= 0 {
			at = end + 2
		}
	}
	first, rest, _ = strings.Cut(list[at:], ",")
	return strings.TrimSpace(list[:at] + first), rest
}

func parsePattern(text string) (Pattern, error) {
	if len(text) > 1 && text[0] == '/' && text[len(text)-1] == '/' {
		expr, err := regexp.Compile(text[1 : len(text)-1])
		if err != nil {
			return Pattern{}, fmt.Errorf("%s: %w", text, err)
		}
		return Pattern{text, expr}, nil
	}
	if _, err := path.Match(text, ""); err != nil || text == "" || strings.Contains(text, "/") {
		return Pattern{}, fmt.Errorf("%q is no pattern; wanted a glob such as 'msa.*', or a regular expression between slashes", text)
	}
	return Pattern{text: text}, nil
}

// String returns what was parsed.
func (p Pattern) String() string { return p.text }

// matches looks at a module path and at the name within its layer.
func (p Pattern) matches(paths ...string) bool {
	if p.expr != nil {
		return p.expr.MatchString(paths[0])
	}
	return slices.ContainsFunc(paths, func(s string) bool {
		ok, err := path.Match(p.text, s)
		return ok && err == nil
	})
}

// Rows says how many rows of each value are compared, drawn at random: the same ones
// of values with the same number of rows, and in every run with that seed.
type Rows struct {
	Count int // 0: all
	Seed  uint64
}

// ParseRows reads "64", or "64@7" with the seed 7. The empty text is all.
func ParseRows(text string) (Rows, error) {
	if text == "" {
		return Rows{}, nil
	}
	count, seed, _ := strings.Cut(text, "@")
	if seed == "" {
		seed = "0"
	}
	n, err := strconv.ParseUint(count, 10, 31)
	s, errSeed := strconv.ParseUint(seed, 10, 64)
	if err != nil || errSeed != nil || n == 0 {
		return Rows{}, fmt.Errorf("%q is no number of rows; wanted such as 64, or 64@7 with a seed", text)
	}
	return Rows{int(n), s}, nil
}

// String is the inverse of ParseRows.
func (r Rows) String() string {
	if r.Count == 0 {
		return ""
	}
	return fmt.Sprintf("%d@%d", r.Count, r.Seed)
}

// ParsePasses reads a list of names of passes.
func ParsePasses(text string) ([]string, error) {
	names := list(text)
	for _, n := range names {
		if !slices.Contains(Passes, n) {
			return nil, fmt.Errorf("%q is no pass; known are %s", n, strings.Join(Passes, ", "))
		}
	}
	return names, nil
}

// All reports whether nothing is left out.
func (s Selection) All() bool { return s.String() == "" }

// String lists what narrows the selection down: "blocks 0-3, ops msa.*".
func (s Selection) String() string {
	var parts []string
	for _, p := range []struct{ name, value string }{
		{"blocks", s.Blocks.String()}, {"steps", s.Steps.String()}, {"branches", strings.Join(s.Passes, ",")},
		{"layers", joined(s.Layers)}, {"ops", joined(s.Ops)}, {"samples", s.Samples.String()}, {"rows", s.Rows.String()},
	} {
		if p.value != "" {
			parts = append(parts, p.name+" "+p.value)
		}
	}
	return strings.Join(parts, ", ")
}

func joined[T fmt.Stringer](list []T) string {
	parts := make([]string, len(list))
	for i, x := range list {
		parts[i] = x.String()
	}
	return strings.Join(parts, ",")
}

// Selects reports whether a value at a place is selected, if not each row of it.
func (s Selection) Selects(p Place) bool {
	holds := func(r Ranges, n int) bool { return len(r) == 0 || n >= 0 && r.Holds(n) }
	return holds(s.Blocks, p.Block) && holds(s.Steps, p.Step) &&
		(len(s.Passes) == 0 || slices.Contains(s.Passes, p.Pass)) &&
		(len(s.Layers) == 0 || slices.ContainsFunc(s.Layers, func(l Layers) bool { return l.holds(p.Section, p.Layer) })) &&
		(len(s.Ops) == 0 || slices.ContainsFunc(s.Ops, func(o Pattern) bool { return o.matches(p.Path, p.Op) }))
}

// ErrNothingSelected is wrapped by the error for a selection that selects nothing.
var ErrNothingSelected = errors.New("nothing is selected")
