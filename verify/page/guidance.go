package page

import (
	"fmt"

	"colakit/verify"
)

// stepsShown bounds the table of guidance.
const stepsShown = 128

// guidance draws what the guided velocity makes of the branches' errors: the errors,
// and their gain, over all steps of all blocks.
func guidance(r *verify.Report) []figure {
	if len(r.Guidance) == 0 {
		return nil
	}
	errors := plot{title: "Errors of the velocities", xLabel: "step of block", yLabel: "rel-L2", note: "Free-running."}
	gains := plot{title: "Gain of guidance", xLabel: "step of block", yLabel: "gain", note: "Observed as predicted: the errors of both branches explain it. Common errors have a gain of 1."}
	for _, l := range []struct {
		plot   *plot
		name   string
		faint  bool
		figure func(verify.GuidanceRow) float64
	}{
		{&errors, "conditional", false, func(g verify.GuidanceRow) float64 { return g.Cond }},
		{&errors, "unconditional", false, func(g verify.GuidanceRow) float64 { return g.Uncond }},
		{&errors, "their difference", false, func(g verify.GuidanceRow) float64 { return g.Difference }},
		{&errors, "guided", false, func(g verify.GuidanceRow) float64 { return g.Guided }},
		{&gains, "observed", false, func(g verify.GuidanceRow) float64 { return g.Observed }},
		{&gains, "predicted", false, func(g verify.GuidanceRow) float64 { return g.Predicted }},
		{&gains, "of independent errors", true, func(g verify.GuidanceRow) float64 { return g.Independent }},
		{&gains, "of opposed errors", true, func(g verify.GuidanceRow) float64 { return g.Opposed }},
	} {
		s := series{name: l.name, style: len(l.plot.series), faint: l.faint}
		if l.faint {
			s.style += 2
		}
		for i, g := range r.Guidance {
			y := l.figure(g)
			s.points = append(s.points, point{float64(i), y, fmt.Sprintf("block %d, step %d, %s: %s", g.Block, g.Step, l.name, verify.FigureText(y))})
		}
		l.plot.series = append(l.plot.series, s)
	}
	var figures []figure
	for _, p := range []plot{errors, gains} {
		for i, g := range r.Guidance {
			p.ticks = append(p.ticks, tick{float64(i), fmt.Sprintf("%d of %d", g.Step, g.Block)})
		}
		if f, ok := p.figure(); ok {
			figures = append(figures, f)
		}
	}
	return figures
}

// guidanceTable lists the steps, as many as a page bears.
func guidanceTable(r *verify.Report) table {
	t := table{Caption: "Guidance by step", Heads: []string{"block", "step", "scale", "cond", "uncond", "difference", "guided", "correlation of the errors", "predicted gain", "observed gain"}}
	if n := len(r.Guidance); n > stepsShown {
		t.Caption += fmt.Sprintf(", the first %d of %d; --json holds all", stepsShown, n)
	}
	f := verify.FigureText
	for _, g := range r.Guidance[:min(stepsShown, len(r.Guidance))] {
		t.Rows = append(t.Rows, []string{fmt.Sprint(g.Block), fmt.Sprint(g.Step), f(g.Scale), f(g.Cond), f(g.Uncond), f(g.Difference), f(g.Guided), f(g.Correlation), f(g.Predicted), f(g.Observed)})
	}
	return t
}

// gainPlot draws what each layer makes of the error that it is given.
func gainPlot(r *verify.Report) plot {
	p := plot{
		title: "Gain by layer, free-running", xLabel: "layer", yLabel: "error after ÷ error before", apart: 1,
		note: "A layer whose operations are all right and that multiplies errors is unstable, not wrong.",
	}
	gains, unstable := series{name: "gain", style: 0}, series{name: "unstable", style: 3}
	for i, row := range r.Layers {
		if row.Gain == nil || row.Gain.Factor == 0 {
			continue
		}
		text := fmt.Sprintf("%s: ×%s, from rel-L2 %s to %s", row.Layer, verify.FigureText(row.Gain.Factor), verify.FigureText(row.Gain.In), verify.FigureText(row.Gain.Out))
		q := point{float64(i), row.Gain.Factor, text}
		if row.State == verify.UnstableLayer {
			q.tip += "; unstable"
			unstable.points = append(unstable.points, q)
		}
		gains.points = append(gains.points, q)
		p.ticks = append(p.ticks, tick{float64(i), row.Layer})
	}
	p.series = withPoints([]series{gains, unstable})
	return p
}
