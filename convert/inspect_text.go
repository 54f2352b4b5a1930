package convert

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"colakit/formats/hf"
	"colakit/internal/units"
	"colakit/quantize"
)

// WriteText writes the inspection for people.
func (i Inspection) WriteText(out io.Writer) error {
	w := &writer{out: out}
	if i.Damage != nil {
		i.writeDamage(w)
		return w.err
	}
	w.line("%s  %s, %s", i.File, i.kind(), units.Bytes(i.Bytes))
	if i.Root != nil {
		w.line("  root       %v", i.Root)
	}
	i.writeModels(w)
	for _, k := range sortedKeys(i.Metadata) {
		w.line("  %-40s %s", show(k), show(i.Metadata[k]))
	}
	for _, f := range i.Files {
		w.line("  %-46s %9s", show(f.File), units.Bytes(f.Bytes))
	}
	if i.Provenance != nil {
		i.Provenance.write(w)
	}
	w.line("")
	w.table(i.tensorRows())
	w.line("")
	w.line("%s", i.total())
	return w.err
}

// kind names the format with its version.
func (i Inspection) kind() string {
	switch i.Format {
	case FormatCola:
		return fmt.Sprintf(".cola version %d", i.Version)
	case FormatGGUF:
		return fmt.Sprintf("GGUF version %d", i.Version)
	case FormatFolder:
		return "model folder"
	}
	return string(i.Format)
}

// tensorRows is the table of tensors; columns that would be empty are left out.
func (i Inspection) tensorRows() []string {
	header := "tensor\ttype\tshape\tbytes"
	if i.Provenance != nil {
		header += "\trel-L2"
	}
	rows := []string{header}
	for _, t := range i.Tensors {
		row := fmt.Sprintf("%s\t%s\t%v\t%d", show(t.Name), t.Type, t.Shape, t.Bytes)
		if i.Provenance != nil {
			row += "\t" + figure(t.Result)
		}
		rows = append(rows, row)
	}
	return rows
}

func (i Inspection) total() string {
	byType, elements := map[string]int64{}, int64(0)
	for _, t := range i.Tensors {
		byType[t.Type] += t.Bytes
		n, _ := t.Shape.Elements() // was checked when the file was opened
		elements += n
	}
	var sizes []string
	for _, name := range sortedKeys(byType) {
		sizes = append(sizes, fmt.Sprintf("%s %s", units.Bytes(byType[name]), name))
	}
	return fmt.Sprintf("%s, %.4g M parameters: %s", units.Count(int64(len(i.Tensors)), "tensor"), float64(elements)/1e6, strings.Join(sizes, ", "))
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

// writeModels describes the configurations and the tokenizer, as far as they are
// known.
func (i Inspection) writeModels(w *writer) {
	if i.DiTConfig != nil {
		if d, err := hf.ParseDiTConfig(hf.Architecture(i.DiTConfig)); err != nil {
			w.line("  prior      %v", err)
		} else {
			w.line("  prior      %d blocks, width %d, %d heads of %d, blocks of %d latents", d.NumLayers, d.TxtDim, d.Heads, d.HeadDim, d.BlockSize)
		}
	}
	if i.VAEConfig != nil {
		if v, err := hf.ParseVAEConfig(hf.Architecture(i.VAEConfig)); err != nil {
			w.line("  text VAE   %v", err)
		} else {
			w.line("  text VAE   %d + %d blocks, width %d, vocabulary %d, latents of %d channels for %s",
				v.EncoderNumBlocks, v.DecoderNumBlocks, v.Dim, v.VocabSize, v.LatentDim, units.Count(int64(v.PatchSize), "token"))
		}
	}
	switch {
	case i.Tokenizer > 0:
		w.line("  tokenizer  %s", units.Bytes(int64(i.Tokenizer)))
	case i.Format == FormatCola || i.Format == FormatCheckpoint:
		w.line("  tokenizer  none")
	}
}

func (p *Provenance) write(w *writer) {
	w.line("  made by    %s, type %s, from", p.Tool, p.Plan.Type)
	for _, s := range p.Sources {
		w.line("    %-46s %9s  blake3 %v", show(s.File), units.Bytes(s.Bytes), s.BLAKE3)
		if s.SHA256 != nil {
			w.line("    %-46s %9s  sha256 %v", "", "", s.SHA256)
		}
	}
	w.line("  tensors    %s", p.Plan.counts())
	if s := p.Plan.AdaTable; s != nil {
		w.line("  AdaLN      table for %v", s)
		w.line("             of %v", p.AdaTable)
	}
	for _, note := range p.Plan.Notes {
		w.line("  note       %s", note)
	}
	p.Verification.write(w, "  state      ")
}

// writeDamage writes what can be read of damaged files.
func (i Inspection) writeDamage(w *writer) {
	w.line("%s  %s, damaged", i.File, i.Format)
	w.line("  ✗ %s", i.Damage.Error)
	for _, f := range i.Damage.Files {
		w.line("")
		if f.File != i.File {
			w.line("%s", f.File)
		}
		w.line("%s", strings.TrimSuffix(f.text, "\n"))
	}
}

// WriteText writes the inspection for people.
func (t TensorInspection) WriteText(out io.Writer) error {
	w := &writer{out: out}
	t.TensorLine.write(w)
	if s := t.Step; s != nil {
		if s.Action != Compute {
			w.line("  source     %s: %s, %v", s.File, s.Source, s.From)
		}
		w.line("  action     %s: %s", s.Action, s.Reason)
	}
	writeError(w, t.TensorLine)
	writeStatistics(w, t.TensorLine, t.Statistics)
	first := make([]string, len(t.First))
	for i, v := range t.First {
		first[i] = fmt.Sprintf("%.6g", float64(v))
	}
	if len(first) > 0 {
		w.line("  first      %s", strings.Join(first, "  "))
	}
	return w.err
}

// write writes what a tensor is and where it is stored.
func (t TensorLine) write(w *writer) {
	w.line("%s  %s %v, %d bytes", show(t.Name), t.Type, t.Shape, t.Bytes)
	if t.Stored != "" {
		w.line("  stored as  %s", show(t.Stored))
	}
	if t.File != "" {
		w.line("  file       %s", show(t.File))
	}
	if q := t.Quantization; q != nil && q.Group > 0 {
		w.line("  scales     %v, one for %d elements of a row", q.Scale, q.Group)
	} else if q != nil {
		w.line("  scales     %v, one for a row", q.Scale)
	}
}

// writeError writes what storing the tensor by its type cost.
func writeError(w *writer, t TensorLine) {
	r := t.Result
	switch {
	case r == nil:
		return
	case r.MaxAbs == 0:
		w.line("  error      none")
	default:
		w.line("  error      rel-L2 %.3g (%s), max |Δ| %.3g at %v", r.RelL2, decibels(r.RelL2), r.MaxAbs, coordinates(t.Shape, r.MaxAbsIndex))
	}
	if r.Underflow > 0 {
		w.line("  underflow  %d became 0", r.Underflow)
	}
	if c := r.Int8; c != (quantize.Int8Figures{}) {
		w.line("  codes      worst row %d with rel-L2 %.3g; %.3g %% clipped, %.3g %% zero; unclipped rel-L2 %.3g",
			c.WorstChannel, c.WorstChannelRelL2, 100*c.Clipped, 100*c.Zero, c.AbsMaxRelL2)
	}
}

func writeStatistics(w *writer, t TensorLine, s *quantize.Statistics) {
	if s == nil {
		w.line("  values     %s can't be decoded here", t.Type)
		return
	}
	w.line("  values     min %.6g, max %.6g, mean %.6g, RMS %.6g", s.Min, s.Max, s.Mean, s.RMS)
	w.line("  zeros      %d of %d", s.Zero, s.Elements)
	if s.NaN+s.Inf > 0 {
		w.line("  damage     %d NaN, %d Inf, the first at %v", s.NaN, s.Inf, coordinates(t.Shape, s.FirstBad))
	}
}

// shownBytes is how much of a text from a file is shown.
const shownBytes = 200

// show returns a text of a file as one line for a terminal: quoted if it holds
// what a terminal would not print as it is, and cut if it is long.
func show(text string) string {
	rest := len(text) - shownBytes
	if rest > 0 {
		text = strings.ToValidUTF8(text[:shownBytes], "")
	}
	if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }) {
		text = strconv.Quote(text)
	}
	if rest > 0 {
		text += fmt.Sprintf("… and %d bytes more", rest)
	}
	return text
}
