package generate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/internal/torch"
)

// tenPrompts are of different lengths.
func tenPrompts() []Prompt {
	prompts := make([]Prompt, 10)
	for i := range prompts {
		for k := range i%5 + 1 {
			prompts[i].Tokens = append(prompts[i].Tokens, int32(10*i+k))
		}
	}
	return prompts
}

// echo makes a fake's tokens depend on the latents, so that rows in the wrong place
// show, and on nothing else.
type echo struct{ *fake }

func (e echo) Decode(_ context.Context, p Pass) ([]float32, error) {
	m := e.model
	rows := len(p.Z) / m.LatentDim
	logits := make([]float32, rows*m.PatchSize*m.VocabSize)
	for r := range rows * m.PatchSize {
		for v := range m.VocabSize {
			logits[r*m.VocabSize+v] = p.Z[r/m.PatchSize*m.LatentDim] * float32(v%7-3)
		}
	}
	return logits, nil
}

// TestShard: tokens are those of one engine, for any number of engines, with noise
// and draws of one stream for all samples.
func TestShard(t *testing.T) {
	m := Model{BlockSize: 4, PatchSize: 1, LatentDim: 2, VocabSize: 128}
	run := func(n int) [][]int32 {
		engines := make([]Engine, n)
		for i := range engines {
			engines[i] = echo{newFake(m)}
		}
		o := Defaults()
		o.Steps, o.MaxNewTokens, o.PadTokenID, o.Sampling.Temperature = 2, 8, 127, 1
		generator := torch.New(7)
		o.Draws = generator
		results, err := Run(t.Context(), Shard(engines), tenPrompts(), o, &Global{Generator: generator, Batch: 10})
		if err != nil {
			t.Fatal(err)
		}
		for i, e := range engines {
			if f := e.(echo).fake; n <= 10 && len(f.passes) == 0 {
				t.Errorf("engine %d of %d had nothing to do", i, n)
			}
		}
		tokens := make([][]int32, len(results))
		for i, r := range results {
			tokens[i] = r.BlockTokens()
		}
		return tokens
	}
	want := run(1)
	for _, n := range []int{2, 3, 10, 12} {
		if d := cmp.Diff(want, run(n)); d != "" {
			t.Errorf("%d engines: %s", n, d)
		}
	}
}

// TestShardObserved: a tap sees one engine that computes everything.
func TestShardObserved(t *testing.T) {
	m := Model{BlockSize: 4, PatchSize: 1, LatentDim: 2, VocabSize: 200}
	a, b := newFake(m), newFake(m)
	o := Defaults()
	o.Steps, o.MaxNewTokens, o.PadTokenID, o.Tap = 1, 4, 199, &recorder{}
	if _, err := Run(t.Context(), Shard([]Engine{a, b}), tenPrompts(), o, zeros); err != nil {
		t.Fatal(err)
	}
	if len(a.prefix) != 10 || len(b.calls) != 0 || a.tap != nil {
		t.Errorf("%d samples on the first, %v on the second, tap %v", len(a.prefix), b.calls, a.tap)
	}
}

var zeros = NoiseFunc(func(_, _ int, _ []float32) error { return nil })

// failing is an engine that cannot encode.
type failing struct{ *fake }

func (failing) Encode(context.Context, [][]int32) ([][]float32, error) {
	return nil, errors.New("the second device is lost")
}

func TestShardError(t *testing.T) {
	m := Model{BlockSize: 4, PatchSize: 1, LatentDim: 2, VocabSize: 200}
	o := Defaults()
	o.PadTokenID = 199
	e := Shard([]Engine{newFake(m), failing{newFake(m)}})
	if _, err := Run(t.Context(), e, tenPrompts(), o, zeros); err == nil || !strings.Contains(err.Error(), "second device") {
		t.Errorf("error %v", err)
	}
	if err := e.Commit(t.Context(), Pass{}); err == nil {
		t.Error("a commit without a batch")
	}
	if _, err := e.Encode(t.Context(), nil); err != nil {
		t.Error(fmt.Errorf("no samples: %w", err))
	}
}
