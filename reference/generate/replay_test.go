package generate

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/golden"
	"colakit/internal/records"
)

// replay is an engine that answers with what a golden bundle recorded, so that
// what is left to compare is the loop.
type replay struct {
	*fake
	t *testing.T
	b *golden.Bundle
}

func (r replay) read(name string) []float32 {
	r.t.Helper()
	v, err := r.b.Read(name)
	if err != nil {
		r.t.Fatal(err)
	}
	values, err := v.Float32s()
	if err != nil {
		r.t.Fatal(err)
	}
	return slices.Clone(values)
}

func (r replay) Encode(_ context.Context, ids [][]int32) ([][]float32, error) {
	all := r.read("encode/vae.latents")
	latents := make([][]float32, len(ids))
	for i := range ids {
		n := len(ids[i]) / r.model.PatchSize * r.model.LatentDim
		latents[i], all = all[:n:n], all[n:]
	}
	return latents, nil
}

func (r replay) Velocity(_ context.Context, p Pass) (cond, uncond []float32, err error) {
	at := Site{Stage: Denoise, Block: p.Block, Step: p.Step}
	return r.read(at.String() + "cond/dit.velocity"), r.read(at.String() + "uncond/dit.velocity"), nil
}

// Decode spreads the recorded top logits over a vocabulary of low ones.
func (r replay) Decode(_ context.Context, p Pass) ([]float32, error) {
	at := fmt.Sprintf("b%02d/decode/logits.", p.Block)
	values, ids := r.read(at+"top_values"), r.ids(at+"top_ids")
	rows := len(p.Z) / r.model.LatentDim * r.model.PatchSize
	logits := make([]float32, rows*r.model.VocabSize)
	for i := range logits {
		logits[i] = -1e9
	}
	for i, id := range ids {
		logits[i/(len(ids)/rows)*r.model.VocabSize+int(id)] = values[i]
	}
	return logits, nil
}

func (r replay) ids(name string) []int32 {
	r.t.Helper()
	v, err := r.b.Read(name)
	if err != nil {
		r.t.Fatal(err)
	}
	ids := make([]int32, len(v.Data)/4)
	for i := range ids {
		ids[i] = int32(uint32(v.Data[4*i]) | uint32(v.Data[4*i+1])<<8 | uint32(v.Data[4*i+2])<<16 | uint32(v.Data[4*i+3])<<24)
	}
	return ids
}

// TestLoopAgainstGolden repeats the runs of the embedded bundles with the
// recorded encodings, velocities, logits and noise. Layouts, tokens and every
// value of the loop must be the public package's, bit for bit.
func TestLoopAgainstGolden(t *testing.T) {
	for _, e := range golden.TinyBundles() {
		t.Run(e.Name, func(t *testing.T) {
			b, err := golden.OpenFS(e.Files)
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			m := bundleModel(t, b)
			r := replay{newFake(m), t, b}
			tap := &recorder{only: func(s Site) bool { return s.Branch == "" }}
			blocks := b.Info.Run.Blocks
			if limit := b.Info.Run.BlockLimit; limit != nil {
				blocks = *limit
			}
			o := bundleOptions(b.Info.Run)
			o.Tap = tap
			o.OnBlock = func(block int, _ [][]int32) error {
				if block+1 == blocks {
					return ErrStop
				}
				return nil
			}
			noise := func(sample, block int, dst []float32) error {
				copy(dst, r.read(fmt.Sprintf("noise/b%02d", block))[sample*len(dst):])
				return nil
			}
			results, err := Run(context.Background(), r, bundlePrompts(b.Info.Samples), o, NoiseFunc(noise))
			if err != nil {
				t.Fatal(err)
			}
			for i, s := range b.Info.Samples {
				compareSample(t, s, results[i], blocks)
			}
			if want := 5 * blocks * o.Steps; len(tap.names) != want {
				t.Errorf("%d values of the loop, want %d", len(tap.names), want)
			}
			compareTaps(t, b, tap)
		})
	}
}

func bundleModel(t *testing.T, b *golden.Bundle) Model {
	t.Helper()
	var c struct {
		BlockSize int `json:"block_size"`
		PatchSize int `json:"patch_size"`
		LatentDim int `json:"latent_dim"`
		VocabSize int `json:"vocab_size"`
	}
	if err := json.Unmarshal(b.Info.Model.VAE, &c); err != nil {
		t.Fatal(err)
	}
	contract, err := ParseContract(b.Info.Contract)
	if err != nil {
		t.Fatal(err)
	}
	return Model{BlockSize: c.BlockSize, PatchSize: c.PatchSize, LatentDim: c.LatentDim, VocabSize: c.VocabSize, Contract: contract}
}

func bundleOptions(r golden.Run) Options {
	return Options{
		T: r.T, Steps: r.Steps, Guidance: r.Guidance, MaxNewTokens: r.MaxNewTokens,
		Sampling:   Sampling{Temperature: r.Temperature, TopK: r.TopK, TopP: r.TopP, RepetitionPenalty: r.RepetitionPenalty},
		PadTokenID: r.PadTokenID, EOSTokenID: r.EOSTokenID, IMEndTokenID: r.IMEndTokenID,
	}
}

func bundlePrompts(samples []golden.Sample) []Prompt {
	var all []Prompt
	for _, s := range samples {
		n := len(s.TokenIDs)
		for s.Labels[n-1] != 1 {
			n--
		}
		all = append(all, Prompt{Name: s.Prompt, Tokens: s.TokenIDs[:n]})
	}
	return all
}

func compareSample(t *testing.T, s golden.Sample, got Result, blocks int) {
	t.Helper()
	want := Result{
		Layout:        Layout{IDs: s.TokenIDs, Tokens: got.Tokens, Latents: s.PromptLatents, Prefix: s.PrefixLatents, Pinned: s.PinnedRows, Trim: s.Trim},
		FirstGuidance: s.FirstGuidance,
		Blocks:        s.Blocks[:blocks],
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%q: %s", s.Prompt, diff)
	}
}

func compareTaps(t *testing.T, b *golden.Bundle, tap *recorder) {
	t.Helper()
	for name, got := range tap.views {
		want, err := b.Read(name)
		if err != nil {
			t.Error(err)
			continue
		}
		if got.Type != want.Type || !got.Shape.Equal(want.Shape) || !bytes.Equal(got.Data, want.Data) {
			t.Errorf("%s: %v %v, bytes equal %v; want %v %v", name, got.Type, got.Shape, bytes.Equal(got.Data, want.Data), want.Type, want.Shape)
		}
	}
}

// TestNoiseAgainstGolden derives the recorded noise from the recorded ids. The
// bundles come from torch's portable path, which takes logarithm, sine and cosine
// from the C library: not the last bits, but anything wrong with a seed is far off.
func TestNoiseAgainstGolden(t *testing.T) {
	for _, e := range golden.TinyBundles() {
		t.Run(e.Name, func(t *testing.T) {
			b, err := golden.OpenFS(e.Files)
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			r := replay{newFake(bundleModel(t, b)), t, b}
			noise := PerSample{Base: *b.Info.Run.NoiseSeed, IDs: bundleIDs(t, b.Info.Samples)}
			for block := range b.Info.Run.Blocks {
				all := r.read(fmt.Sprintf("noise/b%02d", block))
				got := make([]float32, len(all)/len(noise.IDs))
				for i := range noise.IDs {
					if err := noise.Block(i, block, got); err != nil {
						t.Fatal(err)
					}
					if want := all[i*len(got) : (i+1)*len(got)]; !near(got, want) {
						t.Errorf("sample %d, block %d: %v…, want %v…", i, block, got[:3], want[:3])
					}
				}
			}
		})
	}
}

func bundleIDs(t *testing.T, samples []golden.Sample) []int64 {
	t.Helper()
	var ids []int64
	for row, s := range samples {
		raw, err := json.Marshal(s.ID)
		if err != nil {
			t.Fatal(err)
		}
		id, err := records.Record{ID: raw}.NoiseID(row)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

func near(a, b []float32) bool {
	for i := range a {
		if !(math.Abs(float64(a[i]-b[i])) <= 1e-5) {
			return false
		}
	}
	return true
}
