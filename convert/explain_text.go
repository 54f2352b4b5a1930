package convert

import (
	"io"

	"colakit/internal/units"
)

// WriteText writes the explanation for people.
func (e Explanation) WriteText(out io.Writer) error {
	w := &writer{out: out}
	e.TensorLine.write(w)
	w.line("  in         %s (%s)", e.File, e.Format)
	if e.Class != "" {
		w.line("  class      %s", e.Class)
	}
	e.writeMaking(w)
	writeError(w, e.TensorLine)
	writeStatistics(w, e.TensorLine, e.Statistics)
	if e.Content != nil {
		w.line("  content    blake3 %v", e.Content)
	}
	if e.Damage != "" {
		w.line("  ✗ %s", e.Damage)
	}
	return w.err
}

func (e Explanation) writeMaking(w *writer) {
	if e.Made == nil {
		w.line("  plan       none: only an artifact says what it was made of, and by which rule")
		return
	}
	if s := e.Step; s != nil {
		if s.Action == Compute {
			w.line("  AdaLN      table for %v", e.Made.AdaTable)
			w.line("  from       %v", e.Made.Weights)
		} else {
			w.line("  source     %s, %v", show(s.Source), s.From)
			w.line("  from       %s", e.Made.sourceText())
		}
		if src := e.Made.Source; src != nil && src.SHA256 != nil {
			w.line("             sha256 %v", src.SHA256)
		}
		if s.Load != nil {
			w.line("  loaded as  %v, as config.json says", s.Load)
		}
		w.line("  action     %s to %v", s.Action, s.To)
		w.line("  rule       %s", show(s.Reason))
		if s.Overflow != "" {
			w.line("  overflow   %s", show(s.Overflow))
		}
		if s.InsteadOf != nil {
			w.line("  instead of %v", s.InsteadOf)
		}
		if s.Clamped > 0 {
			w.line("  clamped    %s", units.Count(s.Clamped, "value"))
		}
	} else {
		w.line("  plan       does not name this tensor")
	}
	w.line("  made by    %s, --type %s; artifact %v, %s", e.Made.Tool, e.Made.Type, e.Made.Root, e.Made.State)
}
