package verify_test

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/golden"
	"colakit/reference"
	"colakit/reference/generate"
	"colakit/verify"
)

// spoilsBlock changes an engine's passes of one block.
func spoilsBlock(block int, velocity, logits func([]float32)) func(generate.Engine) generate.Engine {
	return func(e generate.Engine) generate.Engine {
		w := &wrapped{Engine: e}
		current := -1
		w.pass = func(s generate.Stage, p generate.Pass) generate.Pass {
			current = p.Block
			return p
		}
		w.branch = func(cond, uncond []float32) ([]float32, []float32) {
			if velocity != nil && current == block {
				velocity(cond)
			}
			return cond, uncond
		}
		w.logits = func(p generate.Pass, l []float32) {
			if logits != nil && p.Block == block {
				logits(l)
			}
		}
		return w
	}
}

// Other tokens of one block are told from each other, and later blocks are judged by
// themselves: a batch of three, one of them with pinned rows.
func TestTokensAreAnchored(t *testing.T) {
	m := tiny(t)
	shift := func(by float32) func([]float32) {
		return func(v []float32) {
			for i := range v {
				v[i] += by
			}
		}
	}
	raise := func(row int) func([]float32) {
		return func(l []float32) { l[row*m.cfg.VAE.VocabSize+7] = 1e3 }
	}
	tests := []struct {
		name   string
		bundle string
		wrap   func(generate.Engine) generate.Engine
		check  func(*testing.T, verify.Tokens)
	}{
		{"as they are", "exact-ops", nil, func(t *testing.T, got verify.Tokens) {
			want := verify.Tokens{Compared: 36, Match: 36, Samples: 3, TextSame: 3, Golden: &verify.TokenCounts{Compared: 24, Match: 24}}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(verify.Tokens{}), cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".texts" }, cmp.Ignore())); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		}},
		{"a wrong decoder", "exact-ops", spoilsBlock(0, nil, raise(6)), func(t *testing.T, got verify.Tokens) {
			fault := verify.TokenFault{Sample: 1, Block: 0, Position: 2, Got: 7, Want: 321, Kind: "wrong"}
			if got.Match != 35 || got.Wrong != 1 || got.Golden.Wrong != 1 || len(got.First) != 1 {
				t.Fatalf("%+v", got)
			}
			fault.Gap = got.First[0].Gap
			if diff := cmp.Diff(fault, got.First[0]); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if !cmp.Equal(got.Anchors, []verify.Anchor{{Block: 0, Tokens: true, Latents: true}}) {
				t.Errorf("anchors %+v", got.Anchors)
			}
		}},
		{"failing latents that decode to the same", "exact-ops", spoilsBlock(0, shift(0.5), nil), func(t *testing.T, got verify.Tokens) {
			if got.Match != 36 || !cmp.Equal(got.Anchors, []verify.Anchor{{Block: 0, Latents: true}}) {
				t.Errorf("%+v", got)
			}
		}},
		{"latents that drift", "exact-ops", spoilsBlock(0, shift(-5), nil), func(t *testing.T, got verify.Tokens) {
			if got.Drift == 0 || got.Wrong > 0 || got.Golden.Match != got.Golden.Compared || got.Match+got.Drift+got.TieFlip != 36 {
				t.Errorf("%+v, of the golden's latents %+v", got, got.Golden)
			}
			if !cmp.Equal(got.Anchors, []verify.Anchor{{Block: 0, Tokens: true, Latents: true}}) {
				t.Errorf("anchors %+v", got.Anchors)
			}
			for _, f := range got.First {
				if f.Block > 0 {
					t.Errorf("block %d is not anchored: %+v", f.Block, f)
				}
			}
		}},
		{"no latents recorded", "exact-ops", spoilsBlock(2, nil, raise(0)), func(t *testing.T, got verify.Tokens) {
			if got.Match != 35 || got.Unknown != 1 || len(got.Anchors) > 0 { // the last block, of which nothing is recorded
				t.Errorf("%+v", got)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := m.run(t, tt.bundle, tt.wrap, reference.Options{})
			tt.check(t, r.Tokens)
			for _, c := range r.Comparisons {
				if c.Mode == verify.Generation && c.Name == "b01/s01/z_next" && c.Summary.RelL2 > 1e-4 {
					t.Errorf("block 1 is off by %v: it does not begin where the golden does", c.Summary.RelL2)
				}
			}
		})
	}
}

// The caches after a replay of the golden's latents are those of the golden: a run
// that was anchored goes on as one that was never wrong.
func TestAnchoredRunsGoOnAlike(t *testing.T) {
	m := tiny(t)
	for _, name := range []string{"exact-layers", "released-layers"} {
		raise := func(l []float32) { l[7] = 1e3 }
		good := m.run(t, name, nil, reference.Options{})
		bad := m.run(t, name, spoilsBlock(0, nil, raise), reference.Options{})
		figure := func(r *verify.Report) (rel float64) {
			for _, c := range r.Comparisons {
				if c.Mode == verify.Generation && c.Name == "b01/s15/z_next" {
					rel = c.Summary.RelL2
				}
			}
			return rel
		}
		if a, b := figure(good), figure(bad); !(b <= 2*a+1e-6) || len(bad.Tokens.Anchors) != 1 {
			t.Errorf("%s: %v after an anchor, %v without; anchors %+v", name, b, a, bad.Tokens.Anchors)
		}
	}
}

// topIDs returns the golden's most probable ids of a row of a block.
func topIDs(t *testing.T, b *golden.Bundle, block string, row int) []int32 {
	t.Helper()
	v, err := b.Read(block + "/decode/logits.top_ids")
	check(t, err)
	ids := make([]int32, v.Shape[1])
	for i := range ids {
		ids[i] = int32(binary.LittleEndian.Uint32(v.Data[4*(row*v.Shape[1]+i):]))
	}
	return ids
}

// Tokens drawn at random are the golden's where the engine may draw them.
func TestSampledTokens(t *testing.T) {
	m := tiny(t)
	tests := []struct {
		name    string
		rank    int // of the golden's token among its own most probable ones
		topP    float64
		verdict verify.Verdict
		wrong   int
	}{
		{"the most probable", 0, 1, verify.Pass, 0},
		{"another", 20, 1, verify.Pass, 0},
		{"one that can't be drawn", 60, 1, verify.Fail, 1},
	}
	for _, tt := range tests {
		b := bundle(t, "exact-ops")
		b.Info.Run.Temperature, b.Info.Run.TopP, b.Info.Run.TopK = 0.8, tt.topP, 50
		b.Info.Samples = slices.Clone(b.Info.Samples)
		sample := &b.Info.Samples[2]
		sample.Blocks = slices.Clone(sample.Blocks)
		sample.Blocks[0] = slices.Clone(sample.Blocks[0])
		sample.Blocks[0][1] = topIDs(t, b, "b00", 2*4+1)[tt.rank]
		r := m.against(t, b, "exact-ops", nil, reference.Options{})
		if r.Verdict != tt.verdict || !r.Tokens.Sampled || r.Tokens.Compared != 36 || r.Tokens.Wrong != tt.wrong || r.Tokens.Match != 36-tt.wrong {
			t.Errorf("%s: %s: %s; %+v", tt.name, r.Verdict, r.Reason, r.Tokens)
		}
	}
}
