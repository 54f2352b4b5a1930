package selftest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/golden"
	"colakit/reference/generate"
	"colakit/verify"
	"colakit/verify/record"
)

// Model is what faults are injected into in place of the embedded model: any
// configuration and any weights, in float32.
type Model struct {
	Name     string
	Weights  tensor.Source // under native names
	DiT, VAE []byte        // config.json of both
}

func (m *Model) subject() (*subject, error) {
	s := &subject{Source: m.Weights, artifact: verify.Artifact{Path: m.Name, Tensors: m.Weights.Descs(), DiT: m.DiT, VAE: m.VAE}}
	var err error
	s.cfg, err = hf.ParseConfig(m.DiT, m.VAE)
	return s, err
}

// recordings are the bundles of a Model: the reference's own runs. The exact ones are
// of float64.
var recordings = []struct {
	bundle, level string
	contract      generate.Contract
	steps         int
	samples       int
}{
	{exactOps, "ops", generate.Exact, 2, 3},
	{exactLayers, "layers", generate.Exact, 4, 1},
	{releasedOps, "ops", generate.Released, 2, 3},
	{releasedLayers, "layers", generate.Released, 16, 1},
}

// recordAll records the bundles of a model in which faults are looked for.
func (r *runner) recordAll(ctx context.Context) error {
	for _, how := range recordings {
		setting := Setting{Contract: how.contract, Float64: how.contract == generate.Exact, Workers: 1}
		engine, err := r.Reference(r.model, r.model.cfg, setting)
		if err != nil {
			return err
		}
		run, noise := r.made(how.steps, how.samples, how.level)
		dir := filepath.Join(r.dir, how.bundle)
		err = record.Write(ctx, engine, noise, run, dir)
		if closed := engine.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return fmt.Errorf("recording %s of %s: %w", how.bundle, r.Model.Name, err)
		}
		if r.bundles[how.bundle], err = golden.Open(dir); err != nil {
			return err
		}
	}
	return nil
}

// firstToken is the one that the first sample begins with.
const firstToken = 5

// made lays out a run of two blocks: a sample with a prefix and pinned rows, whose last
// patch is not full, one that is shorter than a block, and one that fills blocks to the
// last token.
func (r *runner) made(steps, samples int, level string) (record.Run, generate.Noise) {
	cfg, seed := r.model.cfg, int64(7)
	block := cfg.DiT.BlockSize * cfg.VAE.PatchSize
	run := record.Run{DiT: r.Model.DiT, VAE: r.Model.VAE, Options: generate.Defaults(), Seed: &seed, Level: level, Engine: "reference"}
	run.Options.Steps, run.Options.MaxNewTokens, run.Options.PadTokenID = steps, 2*block, int32(cfg.VAE.VocabSize-1)
	ids := make([]int64, samples)
	for i := range samples {
		n := []int{block + max(cfg.DiT.BlockSize/2, 1)*cfg.VAE.PatchSize - cfg.VAE.PatchSize/2, max(block/2, 1), 2 * block}[i]
		tokens := make([]int32, n)
		for k := range tokens {
			tokens[k] = int32((31*k + 17*i + firstToken) % (cfg.VAE.VocabSize - 1))
		}
		ids[i] = int64(i)
		run.Prompts = append(run.Prompts, generate.Prompt{Name: fmt.Sprintf("sample %d", i), Tokens: tokens})
	}
	return run, generate.PerSample{Base: seed, IDs: ids}
}

// openModel opens the model of a self-test and its bundles.
func (r *runner) openModel(ctx context.Context) (err error) {
	if r.Model != nil {
		if r.model, err = r.Model.subject(); err != nil {
			return fmt.Errorf("%s: %w", r.Model.Name, err)
		}
		return r.recordAll(ctx)
	}
	for _, e := range golden.TinyBundles() {
		if r.bundles[e.Name], err = golden.OpenFS(e.Files); err != nil {
			return err
		}
	}
	r.model, err = embedded()
	return err
}

// newRunner opens what cases share.
func newRunner(ctx context.Context, o Options) (r *runner, err error) {
	r = &runner{Options: o, bundles: map[string]*golden.Bundle{}, forms: map[string]*written{}}
	if r.dir, err = os.MkdirTemp("", "cola-selftest-"); err != nil {
		return nil, err
	}
	if err = r.openModel(ctx); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}
