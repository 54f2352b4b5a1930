package convert

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"colakit/formats/hf"
	"colakit/internal/units"
	"colakit/quantize"
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
	w.line("  errors   %s", worst(p, s.Results))
	for _, note := range p.Notes {
		w.line("  note     %s", note)
	}
	w.line("  root     %v", s.Root)
	w.line("  state    unverified: run `colaverify --layerwise %s`", s.Output)
	return w.err
}

// counts says how many tensors are treated how: "58 rounded to bf16, 68 copied as f32".
func (p Plan) counts() string {
	verbs := map[Action]string{Copy: "copied as", Widen: "widened to", Round: "rounded to"}
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
		text += fmt.Sprintf("; %d values lost to underflow", underflow)
	}
	return text
}

// WriteText writes the inspection for people.
func (i Inspection) WriteText(out io.Writer) error {
	w := &writer{out: out}
	if i.Format == "cola" {
		i.writeArtifact(w)
	} else {
		w.line("%s  %s, %s", i.File, i.Format, units.Bytes(i.Bytes))
		for _, k := range sortedKeys(i.Metadata) {
			w.line("  %-10s %s", k, i.Metadata[k])
		}
	}
	w.line("")
	rows := []string{"tensor\ttype\tshape\tbytes\trel-L2"}
	byType, total := map[string]int64{}, int64(0)
	for _, t := range i.Tensors {
		rows = append(rows, fmt.Sprintf("%s\t%s\t%v\t%d\t%s", t.Name, t.Type, t.Shape, t.Bytes, figure(t.Result)))
		byType[t.Type] += t.Bytes
		n, _ := t.Shape.Elements() // was checked when the file was opened
		total += n
	}
	w.table(rows)
	w.line("")
	var sizes []string
	for _, name := range sortedKeys(byType) {
		sizes = append(sizes, fmt.Sprintf("%s %s", units.Bytes(byType[name]), name))
	}
	w.line("%d tensors, %.4g M parameters: %s", len(i.Tensors), float64(total)/1e6, strings.Join(sizes, ", "))
	return w.err
}

func figure(f *quantize.Figures) string {
	switch {
	case f == nil:
		return ""
	case f.RelL2 == 0:
		return "exact"
	}
	return fmt.Sprintf("%.2e", f.RelL2)
}

func (i Inspection) writeArtifact(w *writer) {
	w.line("%s  .cola version %d, %s", i.File, i.Version, units.Bytes(i.Bytes))
	w.line("  root       %v", i.Root)
	if c, err := hf.ParseConfig(i.DiTConfig, i.VAEConfig); err == nil {
		w.line("  prior      %d blocks, width %d, %d heads of %d, blocks of %d latents",
			c.DiT.NumLayers, c.DiT.TxtDim, c.DiT.Heads, c.DiT.HeadDim, c.DiT.BlockSize)
		w.line("  text VAE   %d + %d blocks, width %d, vocabulary %d, latents of %d channels for %d tokens",
			c.VAE.EncoderNumBlocks, c.VAE.DecoderNumBlocks, c.VAE.Dim, c.VAE.VocabSize, c.VAE.LatentDim, c.VAE.PatchSize)
	} else {
		w.line("  configs    %v", err)
	}
	if i.Tokenizer > 0 {
		w.line("  tokenizer  %s", units.Bytes(int64(i.Tokenizer)))
	} else {
		w.line("  tokenizer  none")
	}
	i.Provenance.write(w)
}

func (p *Provenance) write(w *writer) {
	w.line("  made by    %s, type %s, from", p.Tool, p.Plan.Type)
	for _, s := range p.Sources {
		w.line("    %-46s %9s  blake3 %v", s.File, units.Bytes(s.Bytes), s.BLAKE3)
	}
	w.line("  tensors    %s", p.Plan.counts())
	for _, note := range p.Plan.Notes {
		w.line("  note       %s", note)
	}
	w.line("  state      %s", p.Verification.State)
}

// WriteText writes the inspection for people.
func (t TensorInspection) WriteText(out io.Writer) error {
	w := &writer{out: out}
	w.line("%s  %s %v, %d bytes", t.Name, t.Type, t.Shape, t.Bytes)
	if s := t.Step; s != nil {
		w.line("  source     %s: %s, %v", s.File, s.Source, s.From)
		w.line("  action     %s: %s", s.Action, s.Reason)
	}
	if r := t.Result; r != nil && r.MaxAbs == 0 {
		w.line("  error      none")
	} else if r != nil {
		w.line("  error      rel-L2 %.3g, max |Δ| %.3g at %v, %d lost to underflow", r.RelL2, r.MaxAbs, coordinates(t.Shape, r.MaxAbsIndex), r.Underflow)
	}
	s := t.Statistics
	w.line("  values     min %.6g, max %.6g, mean %.6g, RMS %.6g", s.Min, s.Max, s.Mean, s.RMS)
	w.line("  zeros      %d of %d", s.Zero, s.Elements)
	if s.NaN+s.Inf > 0 {
		w.line("  damage     %d NaN, %d Inf, the first at %v", s.NaN, s.Inf, coordinates(t.Shape, s.FirstBad))
	}
	first := make([]string, len(t.First))
	for i, v := range t.First {
		first[i] = fmt.Sprintf("%.6g", float64(v))
	}
	w.line("  first      %s", strings.Join(first, "  "))
	return w.err
}

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
		w.line("%s is sound: %s, %d tensors, %d chunks; structure, checksums, values and inventory checked", r.File, units.Bytes(r.Bytes), r.Tensors, r.Chunks)
	}
	return w.err
}

// WriteJSON writes a report as indented JSON.
func WriteJSON(out io.Writer, report any) error {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(report)
}
