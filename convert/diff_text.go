package convert

import (
	"fmt"
	"io"
	"math"
	"strings"

	"colakit/internal/units"
)

// shownDiffs is the number of tensors that are listed where not all are.
const shownDiffs = 20

// WriteText writes the report for people: the worst tensors, or all.
func (r DiffReport) WriteText(out io.Writer, all bool) error {
	w := &writer{out: out}
	w.table([]string{side("A", r.A), side("B", r.B)})
	for _, s := range r.Settings {
		w.line("✗ %s", s)
	}
	listed := r.listed(all)
	if len(listed) > 0 {
		w.line("")
		rows := []string{"tensor\tstate\tA\tB\tshape\trel-L2\tSQNR\tmax |Δ|\tat\tequal bits"}
		for _, t := range listed {
			rows = append(rows, t.row())
		}
		w.table(rows)
	}
	if rest := r.differing() - len(listed); rest > 0 && !all {
		w.line("… and %d more; --all lists every tensor", rest)
	}
	w.line("")
	w.line("%s", r.Verdict())
	return w.err
}

func side(name string, s DiffSide) string {
	return fmt.Sprintf("%s  %s\t%s\t%s\t%s", name, s.File, s.Format, units.Bytes(s.Bytes), units.Count(int64(s.Tensors), "tensor"))
}

// differing counts the tensors that are not the same in every respect.
func (r DiffReport) differing() int { return len(r.Tensors) - r.Counts[Same] - r.Counts[SameValues] }

func (r DiffReport) listed(all bool) []TensorDiff {
	if all {
		return r.Tensors
	}
	return r.Tensors[:min(r.differing(), shownDiffs)] // the worst come first
}

func (t TensorDiff) row() string {
	a, b, shape := "—", "—", ""
	if t.A != nil {
		a, shape = t.A.Type, t.A.Shape.String()
	}
	if t.B != nil {
		b = t.B.Type
	}
	switch {
	case t.A == nil:
		shape = t.B.Shape.String()
	case t.B != nil && !t.A.Shape.Equal(t.B.Shape):
		shape += " / " + t.B.Shape.String()
	}
	cells := []string{show(t.Name), string(t.State), a, b, shape, "", "", "", "", ""}
	if f := t.Figures; f != nil && f.Different > 0 {
		copy(cells[5:], []string{fmt.Sprintf("%.2e", float64(f.RelL2)), decibels(float64(f.RelL2)),
			fmt.Sprintf("%.2e", float64(f.MaxAbs)), f.MaxAbsIndex.String(), fmt.Sprintf("%.1f %%", 100*f.EqualBits)})
	}
	return strings.TrimRight(strings.Join(cells, "\t"), "\t")
}

// decibels formats −20·log₁₀ of a relative error.
func decibels(rel float64) string {
	if rel == 0 {
		return "∞ dB"
	}
	return fmt.Sprintf("%.1f dB", -20*math.Log10(rel))
}

// Verdict says in one line what was found.
func (r DiffReport) Verdict() string {
	word := "equal"
	switch {
	case r.Different():
		word = "different"
	case !r.Complete():
		word = "not all compared"
	case r.Counts[Within] > 0:
		word = fmt.Sprintf("equal within rel-L2 %v", r.Tolerance)
	}
	return word + ": " + r.Summary()
}

// Summary counts the tensors by what was found of them.
func (r DiffReport) Summary() string {
	parts := []string{units.Count(int64(len(r.Tensors)), "tensor")}
	for _, s := range stateOrder {
		if n := r.Counts[s]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, stateWords[s]))
		}
	}
	if n := len(r.Settings); n > 0 {
		parts = append(parts, fmt.Sprintf("%d settings differ", n))
	}
	return strings.Join(parts, ", ")
}

var stateWords = map[State]string{
	OnlyInA: "only in A", OnlyInB: "only in B", OtherShape: "of another shape", Differs: "differ",
	NotCompared: "not compared", Within: "within the tolerance", SameValues: "with the same values, stored otherwise", Same: "the same",
}
