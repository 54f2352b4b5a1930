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
	if len(r.Damage) == 0 {
		w.line("%s is sound: %s, %d tensors, %d chunks; structure, checksums, values, inventory and provenance checked", r.File, units.Bytes(r.Bytes), r.Tensors, r.Chunks)
	}
	return w.err
}
