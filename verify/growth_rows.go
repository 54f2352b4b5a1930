package verify

import (
	"fmt"
	"math"
	"slices"

	"colakit/reference/generate"
	"colakit/verify/catalog"
)

// GrowthRow follows the error of one value over the steps of a block, or over the
// blocks of a run.
type GrowthRow struct {
	Mode  Mode   `json:"mode"`
	Value string `json:"value"` // "cond velocity", "uncond velocity", "guided velocity", "latents"
	Over  string `json:"over"`  // "steps" or "blocks"
	Block int    `json:"block"` // of the steps; −1 over blocks
	// RelL2 is the rel-L2 after each step; of a block the rms over its steps, of
	// latents the last.
	RelL2 []float64 `json:"rel_l2"`
	// Factor is e^b of the straight line a + b·i through the logarithms of the figures
	// that are not 0: the growth per step or block. 0 where there are less than 2.
	Factor float64 `json:"factor"`
}

// grows names what a comparison's error is followed as; "" for nothing.
func grows(c *Comparison) string {
	switch {
	case c.site.Stage != generate.Denoise:
	case c.Mode == Free && c.op.Path == catalog.Velocity:
		return c.site.Branch + " velocity"
	case c.Mode == Free && c.op.Path == "velocity":
		return "guided velocity"
	case c.Mode == Generation && c.op.Path == "z_next":
		return "latents"
	}
	return ""
}

// growthRows follows the velocities free-running and the latents in generation.
func (s *session) growthRows() []GrowthRow {
	var rows []GrowthRow
	at := map[string]int{}
	for _, c := range s.inOrder() {
		value := grows(c)
		if value == "" {
			continue
		}
		key := fmt.Sprintf("%s %d", value, c.site.Block)
		if _, ok := at[key]; !ok {
			at[key] = len(rows)
			rows = append(rows, GrowthRow{Mode: c.Mode, Value: value, Over: "steps", Block: c.site.Block})
		}
		row := &rows[at[key]]
		row.RelL2 = append(row.RelL2, c.Summary.RelL2)
	}
	rows = append(rows, overBlocks(rows)...)
	for i := range rows {
		rows[i].Factor = growthPer(rows[i].RelL2)
	}
	return rows
}

// overBlocks follows the values of the rows from block to block.
func overBlocks(steps []GrowthRow) []GrowthRow {
	var rows []GrowthRow
	for _, row := range steps {
		i := slices.IndexFunc(rows, func(r GrowthRow) bool { return r.Value == row.Value })
		if i < 0 {
			i = len(rows)
			rows = append(rows, GrowthRow{Mode: row.Mode, Value: row.Value, Over: "blocks", Block: -1})
		}
		figure := row.RelL2[len(row.RelL2)-1]
		if row.Mode == Free {
			figure = rms(row.RelL2)
		}
		rows[i].RelL2 = append(rows[i].RelL2, figure)
	}
	return slices.DeleteFunc(rows, func(r GrowthRow) bool { return len(r.RelL2) < 2 })
}

// growthPer fits the growth from one figure to the next.
func growthPer(figures []float64) float64 {
	n, sx, sy, sxx, sxy := 0.0, 0.0, 0.0, 0.0, 0.0
	for i, v := range figures {
		if !(v > 0) {
			continue
		}
		x, y := float64(i), math.Log(v)
		n, sx, sy, sxx, sxy = n+1, sx+x, sy+y, sxx+x*x, sxy+x*y
	}
	if n < 2 {
		return 0
	}
	return math.Exp((n*sxy - sx*sy) / (n*sxx - sx*sx))
}
