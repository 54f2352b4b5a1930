package page

import (
	"fmt"

	"colakit/verify"
)

// maxColumns is the number of block and step columns up to which a map shows each of
// them.
const maxColumns = 64

// figure is a picture with the table of what it shows.
type figure struct {
	Title, Note string
	Class       string // of the mode whose figures it shows
	Picture     picture
	Table       table
}

// table is a plain table of texts.
type table struct {
	Caption string
	Heads   []string
	Rows    [][]string
}

// placed is a comparison with its place.
type placed struct {
	*verify.Comparison
	verify.Place
}

// inMode returns the comparisons of one mode whose names can be read.
func inMode(r *verify.Report, m verify.Mode) []placed {
	var list []placed
	for _, c := range r.Comparisons {
		if p, err := verify.PlaceOf(c.Name); c.Mode == m && err == nil {
			list = append(list, placed{c, p})
		}
	}
	return list
}

// heatMaps draws the heat maps of one mode: layers by operations over all passes, and
// one map for each kind of pass.
func heatMaps(r *verify.Report, m verify.Mode) []figure {
	cs := inMode(r, m)
	var figures []figure
	draw := func(h *heat, note string) {
		if len(h.rows) > 0 {
			figures = append(figures, figure{Title: h.title, Note: note, Class: class(m), Picture: picture{SVG: h.picture()}, Table: h.table()})
		}
	}
	for _, section := range sections {
		every := newHeat(section + ": layer × operation")
		for _, c := range cs {
			if c.Section == section {
				every.add(c.LayerName(), c.Op, "", c.Comparison)
			}
		}
		draw(every, "The worst over all passes.")
	}
	for _, pass := range verify.Passes {
		for _, h := range passMaps(pass, only(cs, pass)) {
			draw(h.heat, h.note)
		}
	}
	return figures
}

func only(cs []placed, pass string) []placed {
	var list []placed
	for _, c := range cs {
		if c.Pass == pass {
			list = append(list, c)
		}
	}
	return list
}

type notedHeat struct {
	*heat
	note string
}

// passMaps arranges the comparisons of one kind of pass: layers down; across, the
// steps of every block, or blocks, or operations where there is only one pass.
func passMaps(pass string, cs []placed) []notedHeat {
	blocks, steps := map[int]bool{}, map[int]bool{}
	for _, c := range cs {
		blocks[c.Block], steps[c.Step] = true, true
	}
	row := placed.LayerName
	if pass == "latents" {
		row = func(c placed) string { return c.Op }
	}
	build := func(title string, column func(placed) (name, head string)) *heat {
		h := newHeat(title)
		for _, c := range cs {
			name, head := column(c)
			h.add(row(c), name, head, c.Comparison)
		}
		return h
	}
	byBlock := func(c placed) (string, string) { return fmt.Sprintf("block %d", c.Block), "block" }
	switch {
	case len(cs) == 0:
		return nil
	case pass == "encode" || pass == "prefill":
		return onceMaps(pass, cs)
	case pass == "decode" || pass == "commit":
		return []notedHeat{{build(pass+": layer × block", single(byBlock)), "The worst over the operations of a layer."}}
	case len(blocks)*len(steps) <= maxColumns:
		return []notedHeat{{build(pass+": layer × step", eachStep()), "The worst over the operations of a layer."}}
	}
	return []notedHeat{
		{build(pass+": layer × step", single(func(c placed) (string, string) { return fmt.Sprintf("step %d", c.Step), "step" })), fmt.Sprintf("The worst over operations and all %d blocks.", len(blocks))},
		{build(pass+": layer × block", single(byBlock)), fmt.Sprintf("The worst over operations and all %d steps.", len(steps))},
	}
}

// sections are the parts of the model that have layers.
var sections = []string{"encoder", "dit", "decoder"}

// onceMaps arranges the comparisons of a pass that is run once by layer and operation,
// a map for each section.
func onceMaps(pass string, cs []placed) []notedHeat {
	var list []notedHeat
	for _, section := range sections {
		h := newHeat(fmt.Sprintf("%s, %s: layer × operation", pass, section))
		for _, c := range cs {
			if c.Section == section {
				h.add(c.LayerName(), c.Op, "", c.Comparison)
			}
		}
		list = append(list, notedHeat{h, "This pass alone."})
	}
	return list
}

// single puts the head over the first column only.
func single(column func(placed) (string, string)) func(placed) (string, string) {
	first := ""
	return func(c placed) (string, string) {
		name, head := column(c)
		if first == "" {
			first = name
		}
		if name != first {
			head = ""
		}
		return name, head
	}
}

// eachStep names columns by block and step, with the block over its first step.
func eachStep() func(placed) (string, string) {
	begun := map[int]string{}
	return func(c placed) (string, string) {
		name := fmt.Sprintf("block %d, step %d", c.Block, c.Step)
		if begun[c.Block] == "" {
			begun[c.Block] = name
		}
		if begun[c.Block] == name {
			return name, fmt.Sprintf("block %d", c.Block)
		}
		return name, ""
	}
}

// class is the style of what belongs to a mode: one word.
func class(m verify.Mode) string {
	switch m {
	case verify.Isolated:
		return "isolated"
	case verify.Free:
		return "free"
	}
	return "generation"
}
