package record_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"colakit/convert"
	"colakit/formats/cola"
	"colakit/formats/hf"
	"colakit/golden"
	"colakit/quantize"
	"colakit/reference"
	"colakit/reference/generate"
	"colakit/verify/record"
)

// TestWriteRepeatsTheGolden records the reference's own run of every embedded
// bundle: the same values under the same names, of the same types and shapes, and
// the same tokens.
func TestWriteRepeatsTheGolden(t *testing.T) {
	file, cfg := tiny(t)
	for _, embedded := range golden.TinyBundles() {
		t.Run(embedded.Name, func(t *testing.T) {
			want, err := golden.OpenFS(embedded.Files)
			if err != nil {
				t.Fatal(err)
			}
			defer want.Close()
			got := rerun(t, file, cfg, want)
			defer got.Close()
			compare(t, want, got)
		})
	}
}

func compare(t *testing.T, want, got *golden.Bundle) {
	t.Helper()
	limited := func(b *golden.Bundle) map[string]string {
		held := map[string]string{}
		for _, tap := range b.Info.Taps {
			if within(want, tap.Name) {
				held[tap.Name] = fmt.Sprint(tap.Shape, tap.Type, tap.RunType, tap.Rounded)
			}
		}
		return held
	}
	if d := cmp.Diff(limited(want), limited(got)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(want.Info.Run, got.Info.Run, cmpopts.IgnoreFields(golden.Run{}, "BlockLimit", "StepLimit", "NoiseSeed")); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(want.Info.Samples, got.Info.Samples, cmpopts.IgnoreFields(golden.Sample{}, "ID", "Prompt", "Text")); d != "" {
		t.Error(d)
	}
}

// within reports whether a tap lies within the limits of the golden's recording.
func within(b *golden.Bundle, name string) bool {
	site, err := generate.ParseSite(name)
	if err != nil {
		return true // the noise
	}
	r := b.Info.Run
	return (r.BlockLimit == nil || site.Block < *r.BlockLimit) && (r.StepLimit == nil || site.Step < *r.StepLimit)
}

// rerun repeats a bundle's run with the reference and records it.
func rerun(t *testing.T, file *cola.File, cfg hf.Config, b *golden.Bundle) *golden.Bundle {
	t.Helper()
	contract, err := generate.ParseContract(b.Info.Contract)
	if err != nil {
		t.Fatal(err)
	}
	e, err := reference.New(file, cfg, reference.Options{Contract: contract})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	r := b.Info.Run
	run := record.Run{DiT: b.Info.Model.DiT, VAE: b.Info.Model.VAE, Level: b.Info.Level, Engine: "reference", Options: generate.Options{
		T: r.T, Steps: r.Steps, Guidance: r.Guidance, MaxNewTokens: r.MaxNewTokens, PadTokenID: r.PadTokenID,
		Sampling: generate.Sampling{Temperature: r.Temperature, TopK: r.TopK, TopP: r.TopP, RepetitionPenalty: r.RepetitionPenalty},
	}}
	for _, s := range b.Info.Samples {
		n := 0
		for n < len(s.Labels) && s.Labels[n] == golden.PromptLabel {
			n++
		}
		run.Prompts = append(run.Prompts, generate.Prompt{Name: s.Prompt, Tokens: s.TokenIDs[:n]})
	}
	noise := generate.NoiseFunc(func(sample, block int, dst []float32) error {
		v, err := b.Read(golden.NoiseName(block))
		if err != nil {
			return err
		}
		all, err := v.Float32s()
		copy(dst, all[sample*len(dst):])
		return err
	})
	dir := filepath.Join(t.TempDir(), "bundle")
	if err := record.Write(t.Context(), e, noise, run, dir); err != nil {
		t.Fatal(err)
	}
	got, err := golden.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// tiny converts the embedded model.
func tiny(t *testing.T) (*cola.File, hf.Config) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tiny.cola")
	if _, err := convert.FS(t.Context(), golden.Tiny(), path, convert.Options{Type: quantize.F32}); err != nil {
		t.Fatal(err)
	}
	file, err := cola.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	meta, err := file.Meta()
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := hf.ParseConfig(meta.DiTConfig, meta.VAEConfig)
	if err != nil {
		t.Fatal(err)
	}
	return file, cfg
}
