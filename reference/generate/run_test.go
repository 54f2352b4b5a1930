package generate

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/formats/hf"
)

var small = Model{BlockSize: 4, PatchSize: 1, LatentDim: 2, VocabSize: 32}

func options(tokens int) Options {
	o := Defaults()
	o.Steps, o.MaxNewTokens, o.PadTokenID = 2, tokens, 31
	o.Sampling.RepetitionPenalty = 1
	return o
}

func generate(t *testing.T, e Engine, p []Prompt, o Options) []Result {
	t.Helper()
	results, err := Run(context.Background(), e, p, o, NoiseFunc(zeroNoise))
	if err != nil {
		t.Fatal(err)
	}
	return results
}

// TestRunOrder also holds that the prefill begins every batch, and that a batch
// without any prefix is no exception.
func TestRunOrder(t *testing.T) {
	f := newFake(small)
	got := generate(t, f, prompts(6, 2, 4), options(8))
	want := []string{"encode", "prefill", "decode 0", "commit 0", "decode 1", "commit 1"}
	if diff := cmp.Diff(want, f.calls); diff != "" {
		t.Error(diff)
	}
	if lengths := [3]int{len(f.prefix[0]), len(f.prefix[1]), len(f.prefix[2])}; lengths != [3]int{8, 0, 8} {
		t.Errorf("values of the prefixes: %v", lengths)
	}
	for i, generated := range [][]int32{{2, 3, 1, 2, 3, 4}, {2, 3, 1, 2, 3, 4}, {0, 1, 2, 3, 1, 2, 3, 4}} {
		if diff := cmp.Diff(generated, got[i].Generated()); diff != "" {
			t.Errorf("sample %d: %s", i, diff)
		}
		if diff := cmp.Diff([][]int32{{0, 1, 2, 3}, {1, 2, 3, 4}}, got[i].Blocks); diff != "" {
			t.Errorf("sample %d: %s", i, diff)
		}
	}
	if got[0].FirstGuidance != 7 || got[1].FirstGuidance != 1 {
		t.Errorf("first guidance: %v, %v", got[0].FirstGuidance, got[1].FirstGuidance)
	}
	f = newFake(small)
	generate(t, f, prompts(1), options(1))
	if f.calls[1] != "prefill" {
		t.Errorf("no prefill of an empty prefix: %v", f.calls)
	}
}

// TestPinnedRows follows one step by hand: rows 0 and 1 of sample 0 are its
// tokens 5 and 6, at t = 0, before and after every step of the first block.
func TestPinnedRows(t *testing.T) {
	f := newFake(small)
	generate(t, f, prompts(6, 4), options(8))
	clean := []float32{latent(5, 0), latent(5, 1), latent(6, 0), latent(6, 1)}
	if len(f.passes) != 4 {
		t.Fatalf("%d velocities, want 2 blocks of 2 steps", len(f.passes))
	}
	for _, p := range f.passes {
		rest := float32(1000 - 500*p.Step)
		want := []float32{0, 0, rest, rest, rest, rest, rest, rest}
		if p.Block > 0 {
			want[0], want[1] = rest, rest
		}
		if diff := cmp.Diff(want, p.T); diff != "" {
			t.Errorf("block %d step %d: timesteps %s", p.Block, p.Step, diff)
		}
		if pinned := cmp.Equal(clean, p.Z[:4]); pinned != (p.Block == 0) {
			t.Errorf("block %d step %d: latents %v", p.Block, p.Step, p.Z[:4])
		}
	}
	if !cmp.Equal(clean, f.final[0][:4]) {
		t.Errorf("decoded with pinned rows %v, want %v", f.final[0][:4], clean)
	}
	// Row 2: z = 0, v = 7·(1000 − 0) + 0, z' = −7000·0.5; then z = −3500,
	// cond = −1750 + 500, uncond = −875, v = 7·(−375) − 875 = −3500, z' = −1750.
	if got := f.final[0][4]; got != -1750 {
		t.Errorf("free row: %v, want −1750", got)
	}
}

func TestStopRules(t *testing.T) {
	eos, end := int32(20), int32(21)
	at := func(hits ...[3]int) func(s, b, p int) int32 { // sample, block, token
		return func(s, b, p int) int32 {
			for _, h := range hits {
				if h[0] == s && h[1] == b && p == 0 {
					return int32(h[2])
				}
			}
			return 1
		}
	}
	for _, c := range []struct {
		reason  string
		lengths []int
		tokens  int
		eos     *int32
		script  func(s, b, p int) int32
		blocks  int
	}{
		{"the limit, exactly", []int{4}, 8, nil, at(), 2},
		{"the limit, rounded up to blocks", []int{4}, 9, nil, at(), 3},
		{"pinned tokens count", []int{7}, 8, nil, at(), 2},
		{"no eos is set", []int{4}, 12, nil, at([3]int{0, 0, 20}), 3},
		{"eos of the only sample", []int{4}, 12, &eos, at([3]int{0, 1, 20}), 2},
		{"not all samples", []int{4, 4}, 12, &eos, at([3]int{0, 0, 20}), 3},
		{"all, in different blocks, by either token", []int{4, 4}, 16, &eos, at([3]int{0, 0, 20}, [3]int{1, 2, 21}), 3},
		{"fewer tokens than missing latents", []int{5}, 2, nil, at(), 1},
		{"the same in a batch", []int{4, 5}, 2, nil, at(), 1},
		{"eos in a pinned position", []int{5}, 12, &eos, at([3]int{0, 0, 20}), 1},
	} {
		f := newFake(small)
		f.script = c.script
		o := options(c.tokens)
		o.EOSTokenID, o.IMEndTokenID = c.eos, &end
		if got := generate(t, f, prompts(c.lengths...), o); len(got[0].Blocks) != c.blocks {
			t.Errorf("%s: %d blocks, want %d", c.reason, len(got[0].Blocks), c.blocks)
		}
	}
}

func TestOnBlock(t *testing.T) {
	var seen [][][]int32
	o := options(100)
	o.OnBlock = func(block int, ids [][]int32) error {
		if seen = append(seen, ids); block == 1 {
			return ErrStop
		}
		return nil
	}
	got := generate(t, newFake(small), prompts(4, 4), o)
	if len(got[0].Blocks) != 2 || len(seen) != 2 {
		t.Errorf("%d blocks, %d callbacks; want 2 of each", len(got[0].Blocks), len(seen))
	}
	if diff := cmp.Diff(got[1].Blocks[1], seen[1][1]); diff != "" {
		t.Error(diff)
	}
	o.MaxNewTokens = 4
	o.OnBlock = func(_ int, ids [][]int32) error { ids[1][2] = 30; return nil }
	if got := generate(t, newFake(small), prompts(4, 4), o); got[1].Blocks[0][2] != 30 {
		t.Errorf("a replaced id is forgotten: %v", got[1].Blocks)
	}
	o.OnBlock = func(int, [][]int32) error { return errors.New("full") }
	if _, err := Run(context.Background(), newFake(small), prompts(4), o, NoiseFunc(zeroNoise)); err == nil || err.Error() != "full" {
		t.Errorf("error of the callback: %v", err)
	}
}

// TestPenaltyReachesBack: logits 1 at position and block; the second block would
// repeat the first, so each id is weakened and the tie below wins.
func TestPenaltyReachesBack(t *testing.T) {
	f := newFake(small)
	f.script = func(_, _, position int) int32 { return int32(position + 10) }
	o := options(8)
	o.Sampling.RepetitionPenalty = 1.1
	got := generate(t, f, prompts(6), o)
	if diff := cmp.Diff([]int32{10, 11, 12, 13, 10, 11, 12, 13}, got[0].BlockTokens()); diff != "" {
		t.Error(diff)
	}
	o.Sampling.RepetitionPenalty = 1e30 // 1/1e30 rounds above 0
	if got := generate(t, f, prompts(6), o); got[0].Blocks[1][0] != 10 {
		t.Errorf("a weakened logit above all others: %v", got[0].Blocks[1])
	}
	o.Sampling.RepetitionPenalty = math.MaxFloat64 // becomes infinite: the logit 0
	if got := generate(t, f, prompts(6), o); got[0].Blocks[1][0] != 0 {
		t.Errorf("a logit weakened to 0 against the lowest of equals: %v", got[0].Blocks[1])
	}
}

func TestRunErrors(t *testing.T) {
	cross := small
	cross.CrossTalk = true
	for _, c := range []struct {
		want   string
		model  Model
		p      []Prompt
		change func(*Options)
	}{
		{"no prompts", small, nil, nil},
		{"prompt 1: the prompt is empty", small, prompts(4, 0), nil},
		{"here: token 0 has id 33", small, []Prompt{prompt(33)}, nil},
		{"set --pad-token-id", small, prompts(3), func(o *Options) { o.PadTokenID = 100277 }},
		{"--batch-size 1", cross, prompts(4, 4), nil},
		{"0 steps", small, prompts(4), func(o *Options) { o.Steps = 0 }},
		{"0 new tokens", small, prompts(4), func(o *Options) { o.MaxNewTokens = 0 }},
		{"guidance of NaN", small, prompts(4), func(o *Options) { o.Guidance = math.NaN() }},
		{"first timestep", small, prompts(4), func(o *Options) { o.T = math.Inf(1) }},
		{"source of random numbers", small, prompts(4), func(o *Options) { o.Sampling.Temperature = 1 }},
		{"temperature of NaN", small, prompts(4), func(o *Options) { o.Sampling.Temperature, o.Draws = math.NaN(), ones{} }},
		{"repetition penalty of 0", small, prompts(4), func(o *Options) { o.Sampling.RepetitionPenalty = 0 }},
	} {
		o := options(4)
		if c.change != nil {
			c.change(&o)
		}
		_, err := Run(context.Background(), newFake(c.model), c.p, o, NoiseFunc(zeroNoise))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %q", err, c.want)
		}
	}
	generate(t, newFake(cross), prompts(5), options(4)) // one at a time is allowed
}

// short is an engine that returns one velocity too few.
type short struct{ *fake }

func (s short) Velocity(ctx context.Context, p Pass) (cond, uncond []float32, err error) {
	cond, uncond, err = s.fake.Velocity(ctx, p)
	return cond[1:], uncond, err
}

func TestRunChecksTheEngine(t *testing.T) {
	_, err := Run(context.Background(), short{newFake(small)}, prompts(4), options(4), NoiseFunc(zeroNoise))
	if err == nil || !strings.Contains(err.Error(), "7 values of conditional velocity; 8 were wanted") {
		t.Errorf("error %v", err)
	}
}

func TestRunStopsOnCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	o := options(100)
	o.OnBlock = func(block int, _ [][]int32) error {
		if block == 1 {
			cancel()
		}
		return nil
	}
	f := newFake(small)
	if _, err := Run(ctx, f, prompts(4), o, NoiseFunc(zeroNoise)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if len(f.final) != 2 {
		t.Errorf("%d blocks, want none after the interruption", len(f.final))
	}
}

// unsound returns a NaN and an infinity among the logits of the second sample.
type unsound struct{ *fake }

func (u unsound) Decode(ctx context.Context, p Pass) ([]float32, error) {
	logits, err := u.fake.Decode(ctx, p)
	second := logits[len(logits)/2:]
	second[3], second[u.model.VocabSize+7], second[u.model.VocabSize+8] = nan, inf, nan
	return logits, err
}

func TestLogitsThatAreNoNumbersAreCounted(t *testing.T) {
	results := generate(t, unsound{newFake(small)}, prompts(4, 4), options(8))
	if got := [2]int{results[0].NonFinite, results[1].NonFinite}; got != [2]int{0, 4} {
		t.Errorf("%v tokens of 2 blocks, want 2 of each of the second sample's", got)
	}
	if results[1].Blocks[0][1] != 7 {
		t.Errorf("ids %v: an infinity is the largest", results[1].Blocks[0])
	}
}

// TestLogitsThatNoMachineHolds are refused before the engine is asked for anything.
func TestLogitsThatNoMachineHolds(t *testing.T) {
	f := newFake(Model{BlockSize: 65536, PatchSize: 1, LatentDim: 2, VocabSize: 100_000})
	_, err := Run(context.Background(), f, prompts(1), options(8), NoiseFunc(zeroNoise))
	if err == nil || !strings.Contains(err.Error(), "block_size 65536") || len(f.calls) > 0 {
		t.Errorf("error %v, calls %v", err, f.calls)
	}
}

// An engine with an AdaLN table computes one schedule; another is refused, by the
// names of both, before the engine is asked for anything.
func TestOtherSchedulesAreRefused(t *testing.T) {
	m := Model{BlockSize: 2, PatchSize: 1, LatentDim: 2, VocabSize: 20, Schedule: &hf.Schedule{T: 1000, Steps: 4, Contract: "exact"}}
	for _, tt := range []struct {
		T     float64
		steps int
		want  string
	}{
		{1000, 4, ""},
		{1000.7, 4, ""}, // T is cut to an integer
		{1000, 8, "T = 1000 in 4 steps under the exact contract, and this run has T = 1000 in 8 steps"},
		{999, 4, "this run has T = 999 in 4 steps"},
	} {
		e, o := newFake(m), Defaults()
		o.T, o.Steps, o.MaxNewTokens, o.PadTokenID = tt.T, tt.steps, 1, 0
		noise := NoiseFunc(func(int, int, []float32) error { return nil })
		_, err := Run(t.Context(), e, []Prompt{{Name: "p", Tokens: []int32{1}}}, o, noise)
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("T %v, %d steps: %v", tt.T, tt.steps, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || len(e.calls) > 0):
			t.Errorf("T %v, %d steps: error %v after %q", tt.T, tt.steps, err, e.calls)
		}
	}
}
