package verifytest

import (
	"fmt"

	"colakit/verify"
)

func extend(e *verify.Extent, c *verify.Comparison) {
	e.Compared++
	if c.Failed() {
		e.Failed++
	}
	if c.Share >= e.Share {
		e.Share, e.RelL2, e.Name = c.Share, c.Summary.RelL2, c.Name
	}
}

func layers(r *verify.Report) []verify.LayerRow {
	at := map[string]int{}
	var rows []verify.LayerRow
	for _, c := range r.Comparisons {
		p, err := verify.PlaceOf(c.Name)
		if err != nil || c.Mode == verify.Generation {
			continue
		}
		name := p.LayerName()
		if _, ok := at[name]; !ok {
			at[name] = len(rows)
			rows = append(rows, verify.LayerRow{Layer: name})
			if p.Section == "dit" && p.Layer >= 0 {
				rows[at[name]].Gain = &verify.Gain{Passes: 4, In: 1e-4, Out: 5e-4 * float64(1+p.Layer), Factor: 5 * float64(1+p.Layer), Own: 1e-5}
				rows[at[name]].State = verify.UnstableLayer
			}
		}
		row := &rows[at[name]]
		switch {
		case c.Mode == verify.Isolated:
			extend(&row.Isolated, c)
		case p.Op == "msa.out" || p.Op == "attn.out":
			extend(&row.Attention, c)
		case p.Op == "mlp.out":
			extend(&row.MLP, c)
		default:
			extend(&row.Output, c)
		}
	}
	return rows
}

func passes(r *verify.Report, s Shape) []verify.PassRow {
	at := map[string]int{}
	var rows []verify.PassRow
	for _, c := range r.Comparisons {
		p, err := verify.PlaceOf(c.Name)
		if err != nil {
			continue
		}
		name := p.Pass
		if p.Block >= 0 {
			name = fmt.Sprintf("b%02d/%s", p.Block, p.Pass)
		}
		if _, ok := at[name]; !ok {
			at[name] = len(rows)
			rows = append(rows, verify.PassRow{Pass: name})
		}
		row := &rows[at[name]]
		if c.Mode == verify.Isolated {
			extend(&row.Isolated, c)
			continue
		}
		if c.Mode == verify.Free && p.Op == "velocity" || c.Mode == verify.Generation && p.Op == "z_next" {
			extend(&row.Free, c)
			row.Steps = append(row.Steps, c.Summary.RelL2)
		}
	}
	return rows
}

func profiles(r *verify.Report) []verify.Profile {
	at := map[verify.Mode]int{}
	var list []verify.Profile
	for _, c := range r.Comparisons {
		if _, ok := at[c.Mode]; !ok {
			at[c.Mode] = len(list)
			list = append(list, verify.Profile{Mode: c.Mode, Kind: c.Kind, Type: "f32", Worst: c.Name})
		}
		p := &list[at[c.Mode]]
		p.Taps++
		p.Merge(c.Summary.Profile)
	}
	return list
}

// guidance makes up a row for each step: errors that guidance makes independent.
func guidance(s Shape) []verify.GuidanceRow {
	var rows []verify.GuidanceRow
	for b := range s.Blocks {
		for t := range s.Steps {
			e := 1e-3 * float64(1+t)
			rows = append(rows, verify.GuidanceRow{
				Block: b, Step: t, Scale: 7, Cond: e, Uncond: e / 2, Difference: e * 1.2, Guided: 9 * e,
				Predicted: 9.2, Observed: 9.1, Independent: 9.22, Opposed: 13,
			})
		}
	}
	return rows
}

// growth makes up the growth of the conditional velocity over the steps.
func growth(s Shape) []verify.GrowthRow {
	row := verify.GrowthRow{Mode: verify.Free, Value: "cond velocity", Over: "steps", Factor: 2}
	for t := range s.Steps {
		row.RelL2 = append(row.RelL2, 1e-3*float64(int(1)<<min(t, 10)))
	}
	return []verify.GrowthRow{row}
}
