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
