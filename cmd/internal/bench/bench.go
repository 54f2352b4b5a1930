// Package bench measures how fast engines generate: the same batch of made-up
// prompts on each, the calls of the loop timed one by one.
package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	"colakit/cmd/internal/model"
	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/kernels/device"
	"colakit/kernels/engine"
	"colakit/kernels/meter"
	"colakit/reference/generate"
)

// Subject is the model that is measured.
type Subject struct {
	Name    string
	Weights tensor.Source
	Config  hf.Config
}

// Options say what is generated, and how often.
type Options struct {
	Batch        int // prompts
	PromptTokens int // of each prompt
	Blocks       int // generated for each prompt
	Steps        int // flow-matching steps of a block; 0: those of the model's AdaLN table, else 16
	Runs         int // measured, 1 or more
	WarmUp       int // runs ahead of them
	Contract     generate.Contract
	Activations  generate.Activations
}

// Report is what was measured. Its JSON is what `cola bench --json` writes.
type Report struct {
	Model        string    `json:"model"`
	Types        []string  `json:"types"` // of the weights that a step reads
	Contract     string    `json:"contract"`
	Activations  string    `json:"activations"`
	Batch        int       `json:"batch"`
	PromptTokens int       `json:"prompt_tokens"`
	Blocks       int       `json:"blocks"`
	BlockTokens  int       `json:"block_tokens"` // of one prompt
	Steps        int       `json:"steps"`
	Runs         int       `json:"runs"`
	WarmUp       int       `json:"warm_up"`
	Go           string    `json:"go"`
	Platform     string    `json:"platform"`
	Processors   int       `json:"processors"`
	Engines      []Figures `json:"engines"`
}

// Figures are those of one engine. Times are in seconds, rates in bytes per second.
type Figures struct {
	Engine string        `json:"engine"`
	Device string        `json:"device,omitempty"`
	Info   []device.Info `json:"devices,omitempty"`
	NotRun string        `json:"not_run,omitempty"` // why; there are no figures then

	Load    float64 `json:"load"`              // reading the weights, and onto the device
	Encode  Spread  `json:"encode"`            // the prompts of a batch
	Prefill Spread  `json:"prefill"`           // their latents, prior and decoder
	Step    Spread  `json:"step"`              // conditional and unconditional forward of the prior; on a device a block's mean, all that a step does
	Decode  Spread  `json:"decode"`            // a block; on a device with the choice of its tokens
	Commit  Spread  `json:"commit"`            // a block; on a device part of the next one's steps, and nothing here
	Loop    Spread  `json:"loop"`              // per block, on the CPU: noise; without a device guidance, Euler steps, sampling as well
	Block   Spread  `json:"block"`             // all of it
	Run     Spread  `json:"run"`               // encoding to last block
	Speed   float64 `json:"tokens_per_second"` // of the fastest run: new tokens of all prompts

	PerBlock *PerBlock `json:"per_block,omitempty"` // of all devices, in the last run

	StepBytes  int64   `json:"step_bytes"`               // of the weights that a step reads, as the engine holds them
	StepRate   float64 `json:"step_bandwidth"`           // StepBytes over the fastest step
	CopyRate   float64 `json:"copy_bandwidth,omitempty"` // of the device, bytes read and bytes written
	Memory     int64   `json:"device_memory,omitempty"`  // allocated in the end
	MostMemory int64   `json:"device_memory_most,omitempty"`

	Plans []engine.Plan `json:"device_memory_plans,omitempty"` // of each device, made before anything was loaded

	Kernels []meter.Kernel `json:"kernels,omitempty"` // of encoding, prefill and one block, each timed by itself
}

// PerBlock is what the host asks of devices for a block, on average of those of a run.
type PerBlock struct {
	Waits   float64 `json:"host_waits"`
	Uploads float64 `json:"uploads"`
	Graphs  float64 `json:"graph_launches"`  // of recorded work
	Kernels float64 `json:"kernel_launches"` // of others; copies and fills included
}

func perBlock(c meter.Calls, blocks int) *PerBlock {
	n := float64(blocks)
	return &PerBlock{float64(c.Waits) / n, float64(c.Uploads) / n, float64(c.Graphs) / n, float64(c.Kernels) / n}
}

// Run measures every choice. A choice that can't be opened, or can't run this, is in
// the report with the reason; an error is one that wraps tensor.ErrDamaged or means
// that ctx has ended.
func Run(ctx context.Context, s Subject, choices []model.Choice, o Options, progress func(label string, done, total int64)) (*Report, error) {
	report := &Report{
		Model: s.Name, Contract: o.Contract.String(), Activations: o.Activations.String(), Batch: o.Batch, PromptTokens: o.PromptTokens,
		Blocks: o.Blocks, BlockTokens: s.Config.DiT.BlockSize * s.Config.VAE.PatchSize, Runs: o.Runs, WarmUp: o.WarmUp,
		Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Processors: runtime.GOMAXPROCS(0),
	}
	var err error
	if o.Steps, err = steps(s.Weights, o.Steps); err != nil {
		return nil, err
	}
	report.Steps = o.Steps
	if report.Types, err = stepTypes(s); err != nil {
		return nil, err
	}
	for _, c := range choices {
		m := &measurement{Options: o, subject: s, choice: c, progress: progress}
		f, err := m.run(ctx)
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, tensor.ErrDamaged) {
				return nil, err
			}
			f = Figures{Engine: c.Name, Device: c.Device, NotRun: err.Error()}
		}
		report.Engines = append(report.Engines, f)
	}
	return report, nil
}

// Ran reports whether any engine has figures.
func (r *Report) Ran() bool {
	for _, e := range r.Engines {
		if e.NotRun == "" {
			return true
		}
	}
	return false
}

// steps returns the number of steps: as asked for, or of the model's table.
func steps(weights tensor.Source, asked int) (int, error) {
	schedule, tabled, err := hf.FindSchedule(weights)
	switch {
	case err != nil:
		return 0, err
	case asked > 0:
		return asked, nil
	case tabled:
		return schedule.Steps, nil
	}
	return generate.Defaults().Steps, nil
}

// measurement is the work with one engine.
type measurement struct {
	Options
	subject  Subject
	choice   model.Choice
	progress func(label string, done, total int64)

	meters []*meter.Device
	engine generate.Engine
}

func (m *measurement) run(ctx context.Context) (f Figures, err error) {
	f.Engine, f.Device = m.choice.Name, m.choice.Device
	m.choice.Wrap = func(d device.Device) device.Device {
		metered := meter.New(d)
		m.meters = append(m.meters, metered)
		return metered
	}
	m.progress(f.Engine+" load", 0, 1)
	m.choice.Extent = engine.Extent{Batch: m.Batch, PromptTokens: m.PromptTokens, NewTokens: m.Blocks * m.subject.Config.DiT.BlockSize * m.subject.Config.VAE.PatchSize}
	m.choice.Schedule = &hf.Schedule{T: int(generate.Defaults().T), Steps: m.Steps}
	m.choice.Planned = func(p engine.Plan) { f.Plans = append(f.Plans, p) }
	start := time.Now()
	m.engine, err = m.choice.Build(m.subject.Weights, m.subject.Config, m.Contract, m.Activations)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, m.engine.Close()) }()
	if f.Engine, f.Device = m.choice.Name, m.choice.Device; f.Engine == model.DefaultEngine {
		m.meters, f.Plans = nil, nil
	}
	f.Load = time.Since(start).Seconds()
	if err := m.timed(ctx, &f); err != nil {
		return f, err
	}
	if f.StepBytes, err = stepBytes(m.subject, len(m.meters) > 0); err != nil {
		return f, err
	}
	f.StepRate = float64(f.StepBytes) / f.Step.Best
	return f, m.devices(ctx, &f)
}

// timed runs the batch, some times to warm up and then to be measured. An engine that
// runs the loop of blocks is measured once more as often, in parts.
func (m *measurement) timed(ctx context.Context, f *Figures) error {
	var warm, all, parts samples
	kinds := []struct {
		into  *samples
		runs  int
		apart bool
	}{{&warm, m.WarmUp, false}, {&all, m.Runs, false}, {&parts, m.Runs, true}}
	total := m.WarmUp + 2*m.Runs
	if _, ok := m.engine.(generate.BlockEngine); !ok {
		kinds, total = kinds[:2], m.WarmUp+m.Runs
	}
	done := 0
	for _, k := range kinds {
		for range k.runs {
			m.progress(f.Engine+" runs", int64(done), int64(total))
			s, err := m.once(ctx, m.Blocks, k.apart)
			if err != nil {
				return err
			}
			k.into.add(s)
			done++
		}
	}
	all.whole(f)
	if len(kinds) == 2 {
		parts = all
	}
	parts.parts(f)
	return nil
}

// devices adds what the devices tell. Kernels are timed in a run of one block.
func (m *measurement) devices(ctx context.Context, f *Figures) error {
	for _, d := range m.meters {
		live, peak := d.Memory()
		f.Memory, f.MostMemory = f.Memory+live, f.MostMemory+peak
		f.Info = append(f.Info, d.Info())
		d.TimeKernels(true)
	}
	if len(m.meters) == 0 {
		return nil
	}
	m.progress(f.Engine+" kernels", 0, 1)
	if _, err := m.once(ctx, 1, false); err != nil {
		return err
	}
	for _, d := range m.meters {
		d.TimeKernels(false)
		f.Kernels = merge(f.Kernels, d.Kernels())
		rate, err := meter.CopyBandwidth(d)
		if err != nil && !errors.Is(err, device.ErrMemory) {
			return err
		}
		f.CopyRate += rate
	}
	return nil
}

// once generates the batch and returns how long it took, and its parts if they are told
// apart: with an engine that runs the loop of blocks that takes longer.
func (m *measurement) once(ctx context.Context, blocks int, apart bool) (samples, error) {
	w := &stopwatch{Engine: m.engine, meters: m.meters}
	var watched generate.Engine = w
	if b, ok := m.engine.(generate.BlockEngine); ok {
		watched = &blockwatch{w, b, apart}
	}
	o := generate.Defaults()
	model := m.engine.Model()
	o.Steps, o.MaxNewTokens = m.Steps, blocks*model.BlockSize*model.PatchSize
	o.PadTokenID = int32(model.VocabSize - 1)
	if model.Schedule != nil {
		o.T = float64(model.Schedule.T)
	}
	start := time.Now()
	w.began = start
	results, err := generate.Run(ctx, watched, m.prompts(model), o, noise)
	if err != nil {
		return samples{}, err
	}
	w.run = append(w.run, time.Since(start))
	if len(m.meters) > 0 {
		w.perBlock = perBlock(w.asked().Minus(w.calls), blocks)
	}
	for _, r := range results {
		w.tokens += len(r.Generated())
	}
	return w.samples, nil
}

// prompts are of tokens drawn at random, but the same every time.
func (m *measurement) prompts(of generate.Model) []generate.Prompt {
	random := rand.New(rand.NewPCG(1, 2))
	prompts := make([]generate.Prompt, m.Batch)
	for i := range prompts {
		prompts[i].Name = fmt.Sprintf("prompt %d", i)
		for range m.PromptTokens {
			prompts[i].Tokens = append(prompts[i].Tokens, int32(random.IntN(of.VocabSize-1)))
		}
	}
	return prompts
}

// noise is normal enough, and costs little.
var noise = generate.NoiseFunc(func(sample, block int, dst []float32) error {
	random := rand.New(rand.NewPCG(uint64(sample), uint64(block)))
	for i := range dst {
		dst[i] = float32(random.NormFloat64())
	}
	return nil
})
