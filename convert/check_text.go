package convert

import (
	"io"

	"colakit/internal/units"
)

// WriteText writes the report for people.
func (r CheckReport) WriteText(out io.Writer) error {
	w := &writer{out: out}
	for _, f := range r.Damage {
		w.line("✗ %-10s %s", f.Stage, f.Text)
	}
	for _, f := range r.Notes {
		w.line("· %-10s %s", f.Stage, f.Text)
	}
	switch {
	case len(r.Damage) > 0:
	case r.Format != FormatCola:
		w.line("%s is sound as far as that can be told without checksums, which its format does not have: %s, %d tensors; structure, values and inventory checked",
			r.File, units.Bytes(r.Bytes), r.Tensors)
	default:
		w.line("%s is sound: %s, %d tensors, %d chunks; structure, checksums, values, inventory and provenance checked", r.File, units.Bytes(r.Bytes), r.Tensors, r.Chunks)
	}
	return w.err
}
