package bisect

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// WriteText prints the report for people: the answer first.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "A  %s\nB  %s\n", r.A, r.B)
	fmt.Fprintf(&b, "%s\n", r.answer())
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	r.Division.write(&b)
	if r.Ops != nil {
		fmt.Fprintf(&b, "\nWithin %s: %s\n", r.Ops.Of, r.Ops.answer())
		r.Ops.write(&b)
	}
	if r.Ops != nil && r.Kept != nil {
		fmt.Fprintf(&b, "\nOf the whole, with these operations as in A: rel-L2 of the latents %s, %.1f %% of the square gone; mean KL of the logits %s\n", short(r.Kept.Latents), 100*r.share(*r.Kept), short(r.Kept.KL))
	}
	if len(r.Rules) > 0 {
		fmt.Fprintf(&b, "\nTo keep what was chosen as A has it:\n")
		for _, rule := range r.Rules {
			fmt.Fprintf(&b, "  --rule '%s'\n", rule)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// answer says in a line which groups account for the drift.
func (d *Division) answer() string {
	text := fmt.Sprintf("drift of B: rel-L2 of the latents %s, mean KL of the logits %s", short(d.Whole.Latents), short(d.Whole.KL))
	if len(d.Chosen) == 0 {
		return text
	}
	var names []string
	for _, c := range d.Chosen {
		names = append(names, c.Group)
	}
	last := d.Chosen[len(d.Chosen)-1]
	text += fmt.Sprintf("; %.0f %% of its square is gone with %s as in A", 100*last.Share, strings.Join(names, ", "))
	if !d.Reached {
		text += fmt.Sprintf(": all that can be given back, and less than %.0f %%", 100*accounted)
	}
	return text
}

// write prints the groups by rank.
func (d *Division) write(b *strings.Builder) {
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "\n  %s\tshare\twithout it\talone\tKL without\tKL alone\ttensors\n", d.By)
	same := 0
	for _, g := range d.Groups {
		if g.Same {
			same++
			continue
		}
		fmt.Fprintf(t, "  %s\t%.1f %%\t%s\t%s\t%s\t%s\t%d\n", g.Name, 100*g.Share, short(g.Without.Latents), short(g.Alone.Latents), short(g.Without.KL), short(g.Alone.KL), len(g.Tensors))
	}
	t.Flush()
	if same > 0 {
		fmt.Fprintf(b, "  %d more hold the same tensors on both sides and make no drift\n", same)
	}
	fmt.Fprintf(b, "  alone, the groups' squared drifts sum to %.2f of the whole\n", d.Sum)
	for i, c := range d.Chosen {
		with := "with"
		if i > 0 {
			with = "and "
		}
		fmt.Fprintf(b, "  %s %s as in A: %s left, %.1f %% gone\n", with, c.Group, short(c.Left.Latents), 100*c.Share)
	}
}

func short(v float64) string {
	if v == 0 {
		return "0"
	}
	return fmt.Sprintf("%.3g", v)
}
