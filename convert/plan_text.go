package convert

import (
	"fmt"
	"io"

	"colakit/formats/dtype"
	"colakit/internal/units"
)

// WriteText writes the preview for people: a line for every tensor, and the totals.
func (p Preview) WriteText(out io.Writer) error {
	w := &writer{out: out}
	rows := []string{"tensor\tsource\taction\ttype\tshape\tbytes\treason"}
	for _, d := range p.Dropped {
		rows = append(rows, fmt.Sprintf("%s\t%v\tdrop\t–\t%v\t0\t%s", d.Tensor, loadedAs(d.From, d.Load), d.Shape, d.Reason))
	}
	for _, s := range p.Steps {
		rows = append(rows, fmt.Sprintf("%s\t%v\t%s\t%v\t%v\t%d\t%s", s.Tensor, s.from(), s.Action, s.To, s.Shape, s.Bytes, s.Reason))
	}
	w.table(rows)
	w.line("")
	w.line("%d tensors: %s", len(p.Steps), p.counts())
	w.line("  output   %d bytes, %s from %s (%.0f %%)", p.OutputBytes, units.Bytes(p.OutputBytes), units.Bytes(p.SourceBytes),
		100*float64(p.OutputBytes)/float64(p.SourceBytes))
	w.line("  disk     %v", p.Disk)
	w.line("  memory   %v", p.Memory)
	if p.Memory.Modulations > 0 {
		w.line("           %s at first, for the AdaLN table", units.Bytes(p.Memory.Program+p.Memory.Tables+p.Memory.Modulations))
	}
	if p.Time != nil {
		w.line("  time     %v", p.Time)
	}
	p.writeRemarks(w)
	return w.err
}

// writeRemarks writes what must not be missed.
func (p Plan) writeRemarks(w *writer) {
	if n := len(p.Dropped); n > 0 {
		w.line("  dropped  %d tensors, %s of the source: %s", n, units.Bytes(p.droppedBytes()), reasonDropped)
	}
	for _, s := range p.Steps {
		switch {
		case s.InsteadOf != nil:
			w.line("  overflow %s is %v instead of %v: %s", s.Tensor, s.To, *s.InsteadOf, s.Overflow)
		case s.Clamped > 0:
			w.line("  overflow %s is clamped: %s", s.Tensor, s.Overflow)
		}
	}
	for _, note := range p.Notes {
		w.line("  note     %s", note)
	}
}

// from says what the elements are in the source: "f32", "f32, loaded as bf16".
func (s Step) from() string {
	if s.Action == Compute {
		return "–"
	}
	return loadedAs(s.From, s.Load)
}

func loadedAs(from dtype.Type, load *dtype.Type) string {
	if load != nil {
		return fmt.Sprintf("%v, loaded as %v", from, *load)
	}
	return from.String()
}

// droppedBytes returns the size of what is dropped, in the source.
func (p Plan) droppedBytes() (n int64) {
	for _, d := range p.Dropped {
		n += d.Bytes
	}
	return n
}

// String says what is needed and what there is.
func (d Disk) String() string {
	free := "unknown"
	if d.Free != nil {
		free = units.Bytes(*d.Free)
	}
	return fmt.Sprintf("%s needed, %s free in %s", units.Bytes(d.Needed), free, d.Folder)
}

// String shows the sum.
func (m Memory) String() string {
	return fmt.Sprintf("%s at most: %s program, %s tables, %d × %s workers, %d × %s tiles", units.Bytes(m.Peak),
		units.Bytes(m.Program), units.Bytes(m.Tables), m.Jobs, units.Bytes(m.Worker), m.Tiles, units.Bytes(m.Tile))
}

// String says how long it takes, and how that is known.
func (e Estimate) String() string {
	return fmt.Sprintf("about %.2g s without writing, at %s/s: measured by converting %s of the source in %.2f s",
		e.Seconds, units.Bytes(int64(e.Rate)), units.Bytes(e.Measured), e.Took)
}
