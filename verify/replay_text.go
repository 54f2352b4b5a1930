package verify

import (
	"encoding/json"
	"fmt"
	"io"

	"colakit/formats/tensor"
)

// WriteJSON writes the result on one line.
func (r *ReplayResult) WriteJSON(w io.Writer) error { return json.NewEncoder(w).Encode(r) }

// WriteText prints the result for people.
func (r *ReplayResult) WriteText(w io.Writer, o TextOptions) error {
	k := o.ink(w)
	k.line("%s  %s", k.verdict(r.Verdict), k.paint(bold, r.Name))
	k.wrapped("  ", "  ", fmt.Sprintf("one operation of %s: %s with the weights of %s, recorded because of %s", r.Bundle, r.Engine, r.Artifact, r.Problem))
	for _, c := range r.Checks {
		k.line("  %s %s of %s allowed", c.Metric, short(c.Value), short(c.Limit))
	}
	r.writeDiagnosis(k)
	r.writePairs(k)
	k.section("Operands")
	k.operands("input", r.Inputs)
	k.operands("weight", r.Weights)
	if len(r.Parts) > 1 {
		k.wrapped("  by way of  ", "    ", fmt.Sprint(r.Parts))
	}
	r.writeWorstElements(k)
	for _, name := range r.LeftOut {
		k.line("  no room was left for %s", name)
	}
	return k.err
}

func (r *ReplayResult) writeDiagnosis(k *ink) {
	k.section("What is wrong")
	k.wrapped("  ", "  ", r.Diagnosis.Finding)
	for _, line := range r.Diagnosis.MatchLines() {
		k.wrapped("  · ", "    ", line)
	}
	for i, do := range r.Diagnosis.Do {
		k.wrapped(fmt.Sprintf("  %-5s ", first(i, "do")), "        ", do)
	}
}

func (r *ReplayResult) writePairs(k *ink) {
	k.section("Figures: the definition is computed anew in float64")
	t := newTable("value", "against", ">rel-L2", ">cosine", ">max-abs", ">differing")
	for _, p := range r.Pairs {
		t.row(p.Got, p.Want, short(p.Summary.RelL2), fmt.Sprintf("%.6f", p.Summary.Cosine), short(p.Summary.MaxAbs.Value), fmt.Sprintf("%d of %d", p.Summary.Differing, p.Summary.N))
	}
	t.write(k)
}

func (k *ink) operands(label string, descs []tensor.Desc) {
	for i, d := range descs {
		k.line("  %-7s  %s %v %v", first(i, label), d.Name, d.Shape, d.Type)
	}
}

func (r *ReplayResult) writeWorstElements(k *ink) {
	if len(r.Worst) == 0 {
		return
	}
	k.section("Worst elements")
	heads := []string{"at", ">candidate", ">golden", ">definition"}
	if r.Worst[0].Match != nil {
		heads = append(heads, ">the way that matches")
	}
	t := newTable(heads...)
	for _, e := range r.Worst {
		cells := []string{fmt.Sprint(e.Index), fmt.Sprintf("%.7g", e.Got), fmt.Sprintf("%.7g", e.Want), fmt.Sprintf("%.7g", e.Definition)}
		if e.Match != nil {
			cells = append(cells, fmt.Sprintf("%.7g", *e.Match))
		}
		t.row(cells...)
	}
	t.write(k)
	if len(r.Rows) == 0 {
		return
	}
	k.section("Worst rows: rel-L2 of the candidate to the golden")
	t = newTable("row", ">rel-L2")
	for _, row := range r.Rows {
		t.row(fmt.Sprint(row.Index), short(row.RelL2))
	}
	t.write(k)
}
