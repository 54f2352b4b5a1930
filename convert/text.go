package convert

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"colakit/internal/units"
	"colakit/quantize/int8"
)

// writer collects the first error of many writes.
type writer struct {
	out io.Writer
	err error
}

func (w *writer) line(format string, args ...any) {
	if w.err == nil {
		_, w.err = fmt.Fprintf(w.out, format+"\n", args...)
	}
}

// table writes rows of cells in columns; the cells are separated by tabs.
func (w *writer) table(rows []string) {
	t := tabwriter.NewWriter(w.out, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(t, row)
	}
	if err := t.Flush(); w.err == nil {
		w.err = err
	}
}

// WriteText writes the summary for people. The plan is the one that was executed.
func (s Summary) WriteText(out io.Writer, p Plan) error {
	w := &writer{out: out}
	w.line("%s  %s from %s (%.0f %%) in %s, %s/s", s.Output, units.Bytes(s.OutputBytes), units.Bytes(s.SourceBytes),
		100*float64(s.OutputBytes)/float64(s.SourceBytes), s.Duration.Round(10*time.Millisecond),
		units.Bytes(int64(float64(s.SourceBytes)/s.Duration.Seconds())))
	w.line("  tensors  %d: %s", s.Tensors, p.counts())
	if s.Resumed > 0 {
		w.line("  resumed  %s written before", units.Count(int64(s.Resumed), "tensor"))
	}
	w.line("  errors   %s", worst(p, s.Results))
	s.writeCodes(w, p)
	p.writeRemarks(w)
	if s.PeakMemory > 0 {
		w.line("  memory   %s at the peak, %s were planned", units.Bytes(s.PeakMemory), units.Bytes(s.Memory.Peak))
	}
	w.line("  root     %v", s.Root)
	if s.Verification.State == Unverified {
		w.line("  state    unverified: run `colaverify --layerwise %s`", s.Output)
	} else {
		s.Verification.write(w, "  state    ")
	}
	return w.err
}

// counts says how many tensors are treated how: "58 rounded to bf16, 68 copied as f32".
func (p Plan) counts() string {
	verbs := map[Action]string{Copy: "copied as", Widen: "widened to", Round: "rounded to", Quantize: "quantised to", Compute: "computed as"}
	number := map[string]int{}
	var order []string
	for _, s := range p.Steps {
		what := fmt.Sprintf("%s %v", verbs[s.Action], s.To)
		if number[what]++; number[what] == 1 {
			order = append(order, what)
		}
	}
	for i, what := range order {
		order[i] = fmt.Sprintf("%d %s", number[what], what)
	}
	return strings.Join(order, ", ")
}

// writeCodes writes what storing matrices as codes cost, if any are.
func (s Summary) writeCodes(w *writer, p Plan) {
	var worst, clipped, best Result
	var gains, searched float64
	gain := func(r Result) float64 { return 1 - r.RelL2/r.Int8.AbsMaxRelL2 }
	for i, r := range s.Results {
		if !p.Steps[i].To.Quantized() || r.RelL2 == 0 {
			continue
		}
		if worst.Tensor == "" || r.Int8.SQNR < worst.Int8.SQNR {
			worst = r
		}
		if r.Int8.Clipped > clipped.Int8.Clipped {
			clipped = r
		}
		if p.Steps[i].To.Clip == int8.AbsMax {
			continue
		}
		gains, searched = gains+gain(r), searched+1
		if best.Tensor == "" || gain(r) > gain(best) {
			best = r
		}
	}
	if worst.Tensor != "" {
		w.line("  int8     SQNR %.1f dB at worst, in %s", worst.Int8.SQNR, worst.Tensor)
	}
	if clipped.Tensor != "" {
		w.line("  clipped  %.2g %% of the elements at most, in %s", 100*clipped.Int8.Clipped, clipped.Tensor)
	}
	if searched > 0 {
		w.line("  clipping lowers rel-L2 by %.2g %% on average, by %.2g %% at most, in %s", 100*gains/searched, 100*gain(best), best.Tensor)
	}
}

// worst says which tensor lost most.
func worst(p Plan, results []Result) string {
	var most Result
	at, underflow := -1, int64(0)
	for i, r := range results {
		underflow += r.Underflow
		if r.RelL2 > most.RelL2 {
			most, at = r, i
		}
	}
	if at < 0 {
		return "none: every value is stored exactly"
	}
	text := fmt.Sprintf("largest rel-L2 %.2g in %s (max |Δ| %.2g at %v)", most.RelL2, most.Tensor, most.MaxAbs, coordinates(p.Steps[at].Shape, most.MaxAbsIndex))
	if underflow > 0 {
		text += fmt.Sprintf("; %s lost to underflow", units.Count(underflow, "value"))
	}
	return text
}

// WriteJSON writes a report as indented JSON.
func WriteJSON(out io.Writer, report any) error {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(report)
}
