package convert

import (
	"bytes"
	"crypto/sha256"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"colakit/formats/cola"
	"colakit/formats/dtype"
	"colakit/formats/safetensors"
	"colakit/golden"
	"colakit/internal/synth"
	"colakit/quantize"
	"colakit/quantize/int8"
)

// wideRule makes codes of matrices of several tiles, in rows that straddle the
// parts that are read at once.
const wideRule = "(wte|final_layer).weight="

// TestCodes compares codes, scales and figures with those of whole matrices.
func TestCodes(t *testing.T) {
	for _, scheme := range []quantize.Scheme{quantize.Int8, quantize.Int8G32, quantize.Int8G64, quantize.Int8G128, quantize.Int8.Clipped(int8.MSE)} {
		for _, from := range []dtype.Type{dtype.F32, dtype.BF16} {
			src := checkpointDir(t, smallDiT, wideVAE, synth.Options{Type: from, ShardSize: 7 << 20})
			c := prepare(t, Options{Source: src, Type: scheme, Rules: []quantize.Rule{rule(t, "wte="+scheme.String())}})
			out := filepath.Join(t.TempDir(), "out.cola")
			s, err := c.Execute(t.Context(), out, ExecuteOptions{Jobs: 3})
			if err != nil {
				t.Fatal(err)
			}
			for i, step := range c.Steps {
				if step.To.Quantized() && (step.Tensor == "vae.encoder.wte.weight" || i%5 == 0) {
					compareCodes(t, openArtifact(t, out), src, step, s.Results[i].Figures)
				}
			}
			if r, err := Check(t.Context(), out, CheckOptions{}); err != nil || r.Err() != nil {
				t.Errorf("%v: check finds %v, %v", scheme, r.Err(), err)
			}
		}
	}
}

func compareCodes(t *testing.T, f *cola.File, src string, step Step, figures quantize.Figures) {
	t.Helper()
	folder, err := safetensors.OpenDir(filepath.Join(src, "cola_dlm", "cola_"+step.Tensor[:3]))
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	view, err := folder.Read(step.Source)
	if err != nil {
		t.Fatal(err)
	}
	x, err := view.Float32s()
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.Read(step.Tensor)
	if err != nil {
		t.Fatal(err)
	}
	scheme := int8.Scheme{Quantization: *got.Quantization, Clip: step.To.Clip}
	codes, scales := make([]byte, len(got.Data)), make([]byte, len(got.Scales))
	tally, err := int8.Quantize(codes, scales, x, step.Shape[0], step.Shape[1], scheme)
	if err != nil || !bytes.Equal(codes, got.Data) || !bytes.Equal(scales, got.Scales) {
		t.Errorf("%s as %v: other codes or scales, %v", step.Tensor, step.To, err)
	}
	want := tally.Figures()
	if figures.RelL2 != want.RelL2 || figures.MaxAbsIndex != want.MaxAbsIndex || figures.Int8.WorstChannel != want.WorstRow ||
		math.Abs(float64(figures.Int8.SQNR)-want.SQNR()) > 1e-12 || figures.Int8.AbsMaxRelL2 < figures.RelL2 {
		t.Errorf("%s as %v: figures %+v, want %+v", step.Tensor, step.To, figures, want)
	}
}

// TestSameCodes gives the same bytes for any number of workers and tiles.
func TestSameCodes(t *testing.T) {
	src := checkpointDir(t, smallDiT, wideVAE, synth.Options{Type: dtype.F32})
	execute := func(e ExecuteOptions) []byte {
		out := filepath.Join(t.TempDir(), "out.cola")
		c := prepare(t, Options{Source: src, Type: quantize.Int8G64.Clipped(int8.MSE), Rules: []quantize.Rule{rule(t, wideRule+"int8-g32-f32")}})
		if _, err := c.Execute(t.Context(), out, e); err != nil {
			t.Fatal(err)
		}
		return readFile(t, out)
	}
	want := execute(ExecuteOptions{Jobs: 1})
	for _, jobs := range []int{2, 5, 20} {
		if !bytes.Equal(execute(ExecuteOptions{Jobs: jobs}), want) {
			t.Errorf("%d jobs: other bytes", jobs)
		}
	}
}

// TestSummaryOfCodes shows the worst ratio of signal to noise, and what clipping gains.
func TestSummaryOfCodes(t *testing.T) {
	c := prepare(t, Options{Source: small(t), Type: quantize.Int8.Clipped(int8.MSE)})
	s, err := c.Execute(t.Context(), filepath.Join(t.TempDir(), "out.cola"), ExecuteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := s.WriteText(&text, c.Plan); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"quantised to int8-mse", "dB", "clipping"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the summary lacks %q:\n%s", want, &text)
		}
	}
}

// TestSHA256 notes the digests of all files of the source, where they are wanted.
func TestSHA256(t *testing.T) {
	src := checkpointDir(t, smallDiT, wideVAE, synth.Options{Type: dtype.F32, ShardSize: 3 << 20})
	for _, wanted := range []bool{true, false} {
		c := prepare(t, Options{Source: src, Type: quantize.F16, SHA256: wanted})
		out := filepath.Join(t.TempDir(), "out.cola")
		if _, err := c.Execute(t.Context(), out, ExecuteOptions{}); err != nil {
			t.Fatal(err)
		}
		meta, err := openArtifact(t, out).Meta()
		if err != nil {
			t.Fatal(err)
		}
		p, err := ParseProvenance(meta.Provenance)
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range p.Sources {
			want := SHA256(sha256.Sum256(readFile(t, c.source.files[i].path)))
			if (s.SHA256 != nil) != wanted || wanted && *s.SHA256 != want {
				t.Errorf("%s: SHA-256 %v noted, is %v", s.File, s.SHA256, want)
			}
		}
	}
	var s SHA256
	for _, bad := range []string{"", "12", strings.Repeat("z", 64)} {
		if s.UnmarshalText([]byte(bad)) == nil {
			t.Errorf("%q accepted", bad)
		}
	}
}

// TestEmbeddedCodes converts the embedded model with options.
func TestEmbeddedCodes(t *testing.T) {
	out := filepath.Join(t.TempDir(), "tiny.cola")
	o := Options{Type: quantize.Int8G32, Rules: []quantize.Rule{rule(t, `wte\.weight$=int8`)}, Overflow: OverflowBF16}
	s, err := FS(t.Context(), golden.Tiny(), out, o)
	if err != nil || s.OutputBytes == 0 {
		t.Fatal(err)
	}
	f := openArtifact(t, out)
	if v, err := f.Read("vae.encoder.wte.weight"); err != nil || v.Quantization == nil || v.Quantization.Group != 0 {
		t.Errorf("the embedding is %+v, %v", v.Desc, err)
	}
	if v, err := f.Read("dit.blocks.0.mlp.proj_in.weight"); err != nil || v.Quantization == nil || v.Quantization.Group != 32 {
		t.Errorf("the trunk is %+v, %v", v.Desc, err)
	}
}
