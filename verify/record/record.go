// Package record turns the run of an engine into a golden bundle: what that
// engine computes is then what others are held against.
package record

import (
	"context"
	"errors"
	"runtime"

	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/golden"
	"colakit/reference/generate"
	"colakit/verify/catalog"
)

// Run says what is recorded, and of what.
type Run struct {
	DiT, VAE []byte // config.json of both models
	Sources  map[string]string
	// Names and Texts are those of the prompts, for the bundle's index; nil: none.
	IDs     []any
	Texts   []string
	Prompts []generate.Prompt
	Options generate.Options // Tap and OnBlock are taken
	Seed    *int64           // of the noise, if one seed says it all
	Level   string           // "tokens", "layers" or "ops"
	// Decode turns token ids into text; nil: texts stay empty.
	Decode func(ids []int32) string
	Engine string // how the engine is called
}

// exporter is the version of the record that this package writes.
const exporter = "colaverify-1"

// Write runs the engine and writes the bundle to dir, which must not be there yet
// or be empty. The engine is left without a tap. Nothing is left in dir after an
// error.
func Write(ctx context.Context, e generate.Engine, noise generate.Noise, r Run, dir string) (err error) {
	cfg, err := hf.ParseConfig(r.DiT, r.VAE)
	if err != nil {
		return err
	}
	w, err := golden.Create(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Abandon()) }()
	t := &recorder{writer: w, level: r.Level, catalog: catalog.New(cfg, r.Options.Guidance), width: cfg.VAE.LatentDim}
	noise = &starting{noise, t, len(r.Prompts), nil}
	o := r.Options
	o.Tap, o.OnBlock = t, nil
	results, err := generate.Run(ctx, e, r.Prompts, o, noise)
	if err != nil {
		return err
	}
	return w.Finish(r.info(e.Model(), results))
}

func (r Run) info(m generate.Model, results []generate.Result) golden.Info {
	info := golden.Info{
		Exporter: exporter, Contract: m.Contract.String(), Device: "cpu", Attention: "naive", Level: r.Level,
		Environment: map[string]any{"engine": r.Engine, "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH},
		Model:       golden.Model{DiT: r.DiT, VAE: r.VAE, Sources: r.Sources},
		Run:         r.settings(m, len(results[0].Blocks)),
	}
	if info.Model.Sources == nil {
		info.Model.Sources = map[string]string{}
	}
	for i, result := range results {
		info.Samples = append(info.Samples, r.sample(i, result))
	}
	return info
}

func (r Run) settings(m generate.Model, blocks int) golden.Run {
	o := r.Options
	schedule := generate.Schedule(o.T, o.Steps)
	return golden.Run{
		T: o.T, Steps: o.Steps, Schedule: widened(schedule), ScheduleUsed: widened(generate.TimestepsUsed(schedule, m.Contract)),
		Guidance: o.Guidance, MaxNewTokens: o.MaxNewTokens,
		Temperature: o.Sampling.Temperature, TopK: o.Sampling.TopK, TopP: o.Sampling.TopP, RepetitionPenalty: o.Sampling.RepetitionPenalty,
		PadTokenID: o.PadTokenID, EOSTokenID: o.EOSTokenID, IMEndTokenID: o.IMEndTokenID,
		NoiseSeed: r.Seed, BatchSize: len(r.Prompts), Blocks: blocks,
	}
}

func (r Run) sample(i int, result generate.Result) golden.Sample {
	s := golden.Sample{
		TokenIDs: result.IDs, Labels: make([]int, len(result.IDs)),
		PromptLatents: result.Latents, PrefixLatents: result.Prefix, PinnedRows: result.Pinned,
		FirstGuidance: result.FirstGuidance, Trim: result.Trim, Blocks: result.Blocks,
	}
	for at := range s.Labels {
		s.Labels[at] = golden.PromptLabel
		if at >= result.Tokens {
			s.Labels[at] = golden.PaddingLabel
		}
	}
	if i < len(r.IDs) {
		s.ID = r.IDs[i]
	}
	if i < len(r.Texts) {
		s.Prompt = r.Texts[i]
	}
	if r.Decode != nil {
		s.Text = r.Decode(result.Generated())
	}
	return s
}

func widened(values []float32) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = float64(v)
	}
	return out
}

// stored returns the type that a bundle keeps a value in.
func stored(t dtype.Type) dtype.Type {
	if t == dtype.F64 {
		return dtype.F32
	}
	return t
}
