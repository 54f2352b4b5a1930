package convert

import (
	"fmt"
	"io"
	"strings"

	"colakit/formats/hf"
	"colakit/internal/units"
	"colakit/quantize"
)

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
