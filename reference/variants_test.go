package reference

import (
	"encoding/json"
	"os"
	"testing"

	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/internal/synth"
	"colakit/reference/generate"
)

// variantCase is what testdata/variants.py recorded of one configuration.
type variantCase struct {
	Name         string
	DiT, VAE     json.RawMessage
	IDs          [][]int32
	Z, T         []float32
	NextZ        []float32 `json:"next_z"`
	Latents      [][]float32
	Cond, Uncond []float32
	Logits       []float32
	NextCond     []float32 `json:"next_cond"`
}

// The public package and the engine agree for configurations that take every
// branch of both models.
func TestUnusualConfigurations(t *testing.T) {
	raw, err := os.ReadFile("testdata/variants.json")
	if err != nil {
		t.Fatal(err)
	}
	var recorded struct {
		Seed  uint64
		Cases []variantCase
	}
	if err := json.Unmarshal(raw, &recorded); err != nil {
		t.Fatal(err)
	}
	if len(recorded.Cases) < 5 {
		t.Fatalf("%d cases", len(recorded.Cases))
	}
	for _, c := range recorded.Cases {
		t.Run(c.Name, func(t *testing.T) {
			cfg, err := hf.ParseConfig(c.DiT, c.VAE)
			if err != nil {
				t.Fatal(err)
			}
			e, err := New(synth.NewSource(cfg, dtype.F32, recorded.Seed), cfg, Options{})
			if err != nil {
				t.Fatal(err)
			}
			c.run(t, e)
		})
	}
}

func (c variantCase) run(t *testing.T, e generate.Engine) {
	agrees := func(what string, got, want []float32, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != len(want) {
			t.Fatalf("%s: %d values, wanted %d", what, len(got), len(want))
		}
		if err := relativeError(got, want); !(err <= 2e-6) {
			t.Errorf("%s: rel-L2 %.1e from the public package", what, err)
		}
	}
	ctx := t.Context()
	latents, err := e.Encode(ctx, c.IDs)
	for i, want := range c.Latents {
		agrees("latents", latents[i], want, err)
	}
	if err := e.Prefill(ctx, latents); err != nil {
		t.Fatal(err)
	}
	p := generate.Pass{Z: c.Z, T: c.T}
	cond, uncond, err := e.Velocity(ctx, p)
	agrees("cond", cond, c.Cond, err)
	agrees("uncond", uncond, c.Uncond, err)
	logits, err := e.Decode(ctx, p)
	agrees("logits", logits, c.Logits, err)
	if err := e.Commit(ctx, p); err != nil {
		t.Fatal(err)
	}
	next, _, err := e.Velocity(ctx, generate.Pass{Block: 1, Z: c.NextZ, T: c.T})
	agrees("cond of the next block", next, c.NextCond, err)
}
