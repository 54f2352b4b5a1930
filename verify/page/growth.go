package page

import (
	"fmt"
	"math"
	"strings"

	"colakit/verify"
)

// growth draws how errors grow: over the layers, over the steps of each block, over
// the blocks.
func growth(r *verify.Report) []figure {
	var figures []figure
	for _, p := range append([]plot{layerPlot(r), gainPlot(r)}, passPlots(r)...) {
		if f, ok := p.figure(); ok {
			figures = append(figures, f)
		}
	}
	return figures
}

// layerPlot draws the worst rel-L2 of every layer.
func layerPlot(r *verify.Report) plot {
	p := plot{
		title: "Error by layer", xLabel: "layer", yLabel: "rel-L2", apart: 1,
		note:   "The worst over all passes. Isolated: the layer's own operations. Free-running: the outputs of its branches, with what came before.",
		series: []series{{name: "isolated", style: 0}, {name: "attention, free-running", style: 1}, {name: "MLP, free-running", style: 2}, {name: "output, free-running", style: 3}},
	}
	for i, row := range r.Layers {
		p.ticks = append(p.ticks, tick{float64(i), row.Layer})
		for j, e := range []verify.Extent{row.Isolated, row.Attention, row.MLP, row.Output} {
			if e.Compared > 0 {
				s := &p.series[j]
				s.points = append(s.points, point{float64(i), e.RelL2, fmt.Sprintf("%s, %s: rel-L2 %s", row.Layer, s.name, verify.FigureText(e.RelL2))})
			}
		}
	}
	p.series = withPoints(p.series)
	return p
}

func withPoints(all []series) []series {
	var some []series
	for _, s := range all {
		if len(s.points) > 0 {
			some = append(some, s)
		}
	}
	return some
}

// blocksDrawn bounds the lines of a plot over the steps.
const blocksDrawn = 6

// course is the error of one branch in one block, step by step.
type course struct {
	block  string
	number int
	steps  []float64
}

var branchTitles = map[string]string{
	"cond":    "Conditional velocity, free-running",
	"uncond":  "Unconditional velocity, free-running",
	"latents": "Latents, in generation",
}

// passPlots draws the errors of both branches and of the latents over the steps, and
// what they are at the end of each block.
func passPlots(r *verify.Report) []plot {
	courses := map[string][]course{}
	for _, row := range r.Passes {
		block, branch, ok := strings.Cut(row.Pass, "/")
		if ok && len(row.Steps) > 0 {
			courses[branch] = append(courses[branch], course{block, len(courses[branch]), row.Steps})
		}
	}
	byBlock := plot{title: "Error by block", xLabel: "block", yLabel: "rel-L2", note: "The largest over the steps of a block. Growth with the block points to the cache."}
	var plots []plot
	for i, branch := range []string{"cond", "uncond", "latents"} {
		if len(courses[branch]) == 0 {
			continue
		}
		plots = append(plots, stepPlot(branchTitles[branch], courses[branch]))
		s := series{name: branchTitles[branch], style: i + 1}
		for _, c := range courses[branch] {
			y := largest(c.steps)
			s.points = append(s.points, point{float64(c.number), y, fmt.Sprintf("%s, %s: rel-L2 %s", c.block, branch, verify.FigureText(y))})
		}
		if len(s.points) > len(byBlock.ticks) {
			byBlock.ticks = numbered(len(s.points))
		}
		byBlock.series = append(byBlock.series, s)
	}
	if len(byBlock.ticks) > 1 {
		plots = append(plots, byBlock)
	}
	return plots
}

func largest(steps []float64) float64 {
	top := 0.0
	for _, v := range steps {
		top = math.Max(top, v)
	}
	return top
}

// stepPlot draws some blocks' courses: the first and the last ones where there are many.
func stepPlot(title string, courses []course) plot {
	p := plot{title: title, xLabel: "step", yLabel: "rel-L2"}
	if n := len(courses); n > blocksDrawn {
		p.note = fmt.Sprintf("The first %d and the last %d of %d blocks; --json holds all.", blocksDrawn/2, blocksDrawn/2, n)
		courses = append(append([]course(nil), courses[:blocksDrawn/2]...), courses[n-blocksDrawn/2:]...)
	}
	for i, c := range courses {
		s := series{name: "block " + fmt.Sprint(c.number), style: i}
		for step, y := range c.steps {
			s.points = append(s.points, point{float64(step), y, fmt.Sprintf("%s, step %d: rel-L2 %s", s.name, step, verify.FigureText(y))})
		}
		p.series = append(p.series, s)
		if len(c.steps) > len(p.ticks) {
			p.ticks = numbered(len(c.steps))
		}
	}
	return p
}
