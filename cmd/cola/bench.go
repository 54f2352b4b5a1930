package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"colakit/cmd/internal/bench"
	"colakit/cmd/internal/model"
	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/internal/command"
	"colakit/internal/progress"
	"colakit/internal/synth"
	"colakit/reference/generate"
)

const benchLong = `Generates a batch of made-up prompts on one engine or several, one after the other,
and reports how long the parts take: a step is the conditional and the unconditional
forward of the prior. The bandwidth is that of the weights that a step reads over its
fastest time; beside it stands what the device copies at, its own bytes read and
written. Kernels are timed in a run of one block, each waited for.

The engines cuda and emulated run the loop of a block on the device and commit it
in the steps of the next; the host waits for its tokens alone. "block" and "run" are
measured so. Their parts come from further runs, which also wait behind the steps.

  cola bench tiny --engine reference,emulated
  cola bench model.cola --engine cuda --batch 64 --blocks 4
  cola bench --released --engine cuda --json

The types of the weights are those of the artifact. --released measures a model of the
released shapes whose weights are made up, float16, in memory.`

// trial is what the flags of bench ask for.
type trial struct {
	engines               []string
	flags                 model.EngineFlags
	options               bench.Options
	contract, activations string
	released, json        bool
	layers                int
	progress              string
}

func benchVerb() command.Verb {
	return command.Verb{
		Name:  "bench",
		Args:  "(MODEL.cola|tiny|--released)",
		Short: "measure how fast engines generate",
		Long:  benchLong,
		Setup: func(flags *pflag.FlagSet) func(context.Context, command.Streams, []string) error {
			t := &trial{}
			t.declare(flags)
			return func(ctx context.Context, s command.Streams, args []string) error {
				if len(args) == 0 && flags.NFlag() == 0 {
					return pflag.ErrHelp
				}
				return t.run(ctx, s, args)
			}
		},
	}
}

func (t *trial) declare(flags *pflag.FlagSet) {
	o := &t.options
	flags.StringSliceVar(&t.engines, "engine", []string{model.AutoEngine}, "`ENGINES` to measure, as reference,cuda: "+model.EngineNames())
	t.flags.DeclareMemory(flags)
	t.flags.DeclareDevices(flags)
	flags.BoolVar(&t.released, "released", false, "measure the released shapes, with made-up weights")
	flags.IntVar(&t.layers, "layers", 0, "`N` blocks of the prior, with --released; 0 for all")
	flags.IntVar(&o.Batch, "batch", 1, "`N` prompts at a time")
	flags.IntVar(&o.PromptTokens, "prompt-tokens", 64, "`N` tokens of each prompt")
	flags.IntVar(&o.Blocks, "blocks", 2, "`N` blocks to generate for each prompt")
	flags.IntVar(&o.Steps, "steps", 0, "`N` flow-matching steps of a block; 0: those of the model's AdaLN table, else 16")
	flags.IntVar(&o.Runs, "runs", 3, "`N` runs to measure")
	flags.IntVar(&o.WarmUp, "warm-up", 1, "`N` runs ahead of them")
	flags.StringVar(&t.contract, "contract", generate.Exact.String(), "`CONTRACT` of the arithmetic: exact or released")
	flags.StringVar(&t.activations, "activations", generate.FloatActivations.String(), "`TYPE` of what int8 weights are multiplied by: float or int8")
	flags.BoolVar(&t.json, "json", false, "write JSON: times in seconds, rates in bytes per second")
	flags.StringVar(&t.progress, "progress", "auto", "`MODE` of reports on stderr: auto (a bar on a terminal), bar, json (lines) or none")
}

func (t *trial) run(ctx context.Context, s command.Streams, args []string) error {
	if err := t.check(args); err != nil {
		return err
	}
	bar, err := progress.New(s.Err, "bench", t.progress)
	if err != nil {
		return fmt.Errorf("--progress: %w", err)
	}
	choices, failed, err := t.choose()
	if err != nil {
		return err
	}
	report, err := t.measure(ctx, args, choices, bar.Update)
	bar.End()
	if err != nil {
		return err
	}
	report.Engines = append(report.Engines, failed...)
	return t.write(s, report)
}

// check refuses values of flags before any work.
func (t *trial) check(args []string) (err error) {
	switch {
	case t.released && len(args) > 0:
		return fmt.Errorf("both --released and %q; give one or the other", args[0])
	case t.layers != 0 && !t.released:
		return errors.New("--layers is for --released; an artifact has as many as it has")
	case !t.released && len(args) != 1:
		return errors.New("want one MODEL.cola, tiny or --released")
	}
	o := &t.options
	for _, f := range []struct {
		name         string
		value, least int
	}{
		{"batch", o.Batch, 1}, {"prompt-tokens", o.PromptTokens, 1}, {"blocks", o.Blocks, 1}, {"steps", o.Steps, 0},
		{"runs", o.Runs, 1}, {"warm-up", o.WarmUp, 0}, {"layers", t.layers, 0},
	} {
		if f.value < f.least {
			return fmt.Errorf("--%s is %d; want %d or more", f.name, f.value, f.least)
		}
	}
	if o.Contract, err = generate.ParseContract(t.contract); err != nil {
		return fmt.Errorf("--contract: %w", err)
	}
	if o.Activations, err = generate.ParseActivations(t.activations); err != nil {
		return fmt.Errorf("--activations: %w", err)
	}
	return nil
}

// choose returns the engines that are there, and why others are not.
func (t *trial) choose() (choices []model.Choice, failed []bench.Figures, err error) {
	for _, name := range t.engines {
		f := t.flags
		if f.Name = name; name == model.DefaultEngine { // it has neither devices nor their memory
			f = model.EngineFlags{Name: name}
		}
		c, err := f.Choose()
		switch {
		case model.Unavailable(err):
			failed = append(failed, bench.Figures{Engine: name, NotRun: err.Error()})
		case err != nil:
			return nil, nil, err
		default:
			choices = append(choices, c)
		}
	}
	return choices, failed, nil
}

func (t *trial) measure(ctx context.Context, args []string, choices []model.Choice, progress func(string, int64, int64)) (*bench.Report, error) {
	if t.released {
		s, err := releasedShapes(t.layers)
		if err != nil {
			return nil, err
		}
		return bench.Run(ctx, s, choices, t.options, progress)
	}
	m, err := model.Open(ctx, args[0])
	if err != nil {
		return nil, err
	}
	defer m.Close()
	return bench.Run(ctx, bench.Subject{Name: m.Name, Weights: m.File, Config: m.Config}, choices, t.options, progress)
}

// releasedShapes returns made-up weights of the released sizes.
func releasedShapes(layers int) (bench.Subject, error) {
	blocks := []byte(`{"block_size": 16}`)
	cfg, err := hf.ParseConfig(blocks, blocks)
	if err != nil {
		return bench.Subject{}, err
	}
	name := "released shapes"
	if layers > 0 {
		cfg.DiT.NumLayers = layers
		name = fmt.Sprintf("released shapes, %d layers", layers)
	}
	return bench.Subject{Name: name, Weights: synth.NewSource(cfg, dtype.F16, 1), Config: cfg}, nil
}

// write reports; nothing measured is an error.
func (t *trial) write(s command.Streams, r *bench.Report) error {
	var err error
	if t.json {
		e := json.NewEncoder(s.Out)
		e.SetIndent("", "  ")
		err = e.Encode(r)
	} else {
		err = r.Write(s.Out)
	}
	if err == nil && !r.Ran() {
		err = fmt.Errorf("no engine could run: %w", command.ErrIncomplete)
	}
	return err
}
