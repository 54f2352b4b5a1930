package verify

import (
	"fmt"
	"math"
)

// gain formats what a layer makes of the error of what it is given: "×1.2".
func (k *ink) gain(row LayerRow) string {
	if row.Gain == nil || row.Gain.Factor == 0 {
		return ""
	}
	text := "×" + short(row.Gain.Factor)
	if row.State == UnstableLayer {
		text = k.paint(yellow, text+" unstable")
	}
	return text
}

// writeGuidance prints what guidance makes of the errors, a line for each block.
func (r *Report) writeGuidance(k *ink) {
	if len(r.Guidance) == 0 {
		return
	}
	k.section("Guidance, free-running: rel-L2 of the velocities, and the gain of their errors (common errors 1, independent, opposed)")
	t := newTable("block", ">steps", ">scale", ">cond", ">uncond", ">difference", ">guided", ">correlation", ">predicted", ">observed", "?>independent", "?>opposed")
	for _, b := range r.guidedBlocks() {
		t.row(fmt.Sprintf("b%02d", b[0].Block), fmt.Sprint(len(b)), short(b[0].Scale),
			rmsOf(b, func(g GuidanceRow) float64 { return g.Cond }), rmsOf(b, func(g GuidanceRow) float64 { return g.Uncond }),
			rmsOf(b, func(g GuidanceRow) float64 { return g.Difference }), rmsOf(b, func(g GuidanceRow) float64 { return g.Guided }),
			meanOf(b, func(g GuidanceRow) float64 { return g.Correlation }),
			meanOf(b, func(g GuidanceRow) float64 { return g.Predicted }), meanOf(b, func(g GuidanceRow) float64 { return g.Observed }),
			short(b[0].Independent), short(b[0].Opposed))
	}
	t.write(k)
}

// guidedBlocks groups the steps by block.
func (r *Report) guidedBlocks() [][]GuidanceRow {
	var blocks [][]GuidanceRow
	for _, g := range r.Guidance {
		if n := len(blocks); n == 0 || blocks[n-1][0].Block != g.Block {
			blocks = append(blocks, nil)
		}
		blocks[len(blocks)-1] = append(blocks[len(blocks)-1], g)
	}
	return blocks
}

func rmsOf(rows []GuidanceRow, figure func(GuidanceRow) float64) string {
	sum := 0.0
	for _, g := range rows {
		sum += figure(g) * figure(g)
	}
	return short(math.Sqrt(sum / float64(len(rows))))
}

// meanOf is the mean over the steps with an error; "–" where there are none.
func meanOf(rows []GuidanceRow, figure func(GuidanceRow) float64) string {
	sum, n := 0.0, 0
	for _, g := range rows {
		if g.Predicted > 0 {
			sum, n = sum+figure(g), n+1
		}
	}
	if n == 0 {
		return "–"
	}
	return short(sum / float64(n))
}

// writeGrowth prints how errors grow from block to block, and per step.
func (r *Report) writeGrowth(k *ink) {
	var rows []GrowthRow
	for _, g := range r.Growth {
		if g.Over == "blocks" {
			rows = append(rows, g)
		}
	}
	if len(rows) == 0 {
		return
	}
	k.section("Growth: rel-L2 by block; factors per block, and per step in each block")
	t := newTable("value", "mode", "by block", ">per block", "per step")
	for _, g := range rows {
		steps := ""
		for _, s := range r.Growth {
			if s.Value == g.Value && s.Over == "steps" {
				steps += " " + factor(s.Factor)
			}
		}
		t.row(g.Value, string(g.Mode), course(g.RelL2), factor(g.Factor), steps[min(1, len(steps)):])
	}
	t.write(k)
}

func factor(f float64) string {
	if f == 0 {
		return "–"
	}
	return "×" + short(f)
}
