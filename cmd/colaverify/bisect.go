package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/pflag"

	"colakit/internal/atomicfile"
	"colakit/internal/blake3"
	"colakit/internal/command"
	"colakit/internal/progress"
	"colakit/internal/version"
	"colakit/reference/generate"
	"colakit/verify/bisect"
	"colakit/verify/record"
)

func bisectVerb() command.Verb {
	return command.Verb{
		Name:  "bisect",
		Args:  "A B [PROMPT…]",
		Short: "find the few parts that account for the drift between two engines, contracts or artifacts",
		Long: `Runs A and B in lockstep: at every value both have computed it from the same inputs, and
both go on with B's in the parts that are swapped and with A's elsewhere. Each part is
swapped alone, and all but it; then the best parts are given back to A until 90 % of the
squared drift is gone. The drift is the rel-L2 of the blocks' final latents to those of A;
the divergence of the logits stands beside it. Of layers, the chosen ones are divided into
operations. Between artifacts, rules for colaconv convert keep what was chosen.

  colaverify bisect f32.cola int8.cola
  colaverify bisect tiny tiny --contract-b released --by ops
  colaverify bisect f32.cola int8.cola --prompts prompts.jsonl --state drift.state --json drift.json
  colaverify bisect f32.cola int8.cola --recipe mixed.json`,
		Setup: setupBisect,
	}
}

// bisection is what the flags of bisect ask for.
type bisection struct {
	pair
	generation
	by       string
	json     string
	recipe   string
	state    string
	progress string
}

func setupBisect(set *pflag.FlagSet) func(context.Context, command.Streams, []string) error {
	b := bisection{}
	set.StringVar(&b.by, "by", string(bisect.Layers), "`PARTS` that are swapped: layers, ops, steps, branches, stages or classes (of tensors)")
	b.pair.flags(set)
	b.generation.flags(set)
	set.StringVar(&b.json, "json", "", "write the result as JSON to this `FILE`; - for the standard output, and nothing else there")
	set.StringVar(&b.recipe, "recipe", "", "write B's plan, with what was chosen as A has it, to this `FILE`, for colaconv convert --recipe")
	set.StringVar(&b.state, "state", "", "keep what was measured in this `FILE`, and go on from there")
	set.StringVar(&b.progress, "progress", "auto", "`MODE` of reports on stderr: auto (a bar on a terminal), bar, json (lines) or none")
	return func(ctx context.Context, s command.Streams, args []string) (err error) {
		if b.texts, err = b.take(args); err != nil {
			return err
		}
		return b.run(ctx, s)
	}
}

func (x *bisection) run(ctx context.Context, s command.Streams) error {
	inputs := []atomicfile.Input{{Path: x.names[0], Role: "the artifact A"}, {Path: x.names[1], Role: "the artifact B"}, {Path: x.file, Role: "the file of --prompts"}}
	if x.json != "" && x.json != standardOutput {
		if err := atomicfile.Check(x.json, append(inputs, atomicfile.Input{Path: x.state, Role: "the file of --state"})...); err != nil {
			return fmt.Errorf("--json: %w", err)
		}
	}
	if x.state != "" {
		if err := atomicfile.Check(x.state, inputs...); err != nil {
			return fmt.Errorf("--state: %w", err)
		}
	}
	if err := x.checkRecipe(inputs); err != nil {
		return fmt.Errorf("--recipe: %w", err)
	}
	report, err := x.bisect(ctx, s)
	if err != nil {
		return err
	}
	if err := x.write(s, report); err != nil {
		return err
	}
	if err := x.writeRecipe(report); err != nil {
		return fmt.Errorf("--recipe: %w", err)
	}
	return nil
}

// write writes the result to where it was asked for.
func (x *bisection) write(s command.Streams, r *bisect.Report) error {
	switch x.json {
	case standardOutput:
		return r.WriteJSON(s.Out)
	case "":
	default:
		if err := atomicfile.Write(x.json, func(w io.Writer) error { return r.WriteJSON(w) }); err != nil {
			return fmt.Errorf("--json: %w", err)
		}
	}
	return r.WriteText(s.Out)
}

func (x *bisection) bisect(ctx context.Context, s command.Streams) (r *bisect.Report, err error) {
	by, err := bisect.ParseBy(x.by)
	if err != nil {
		return nil, fmt.Errorf("--by: %w", err)
	}
	bar, err := progress.New(s.Err, "bisect", x.progress)
	if err != nil {
		return nil, fmt.Errorf("--progress: %w", err)
	}
	defer bar.End()
	bar.Count("runs")
	a, b, err := x.open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.close(), b.close()) }()
	if err := x.schedule(a, b); err != nil {
		return nil, err
	}
	run, noise, err := x.generation.run(a)
	if err != nil {
		return nil, err
	}
	o := bisect.Options{
		By: by, Config: a.Config, Prompts: run.Prompts, Run: run.Options, Noise: noise, A: a.File, B: b.File, Progress: bar.Update,
		SameEngine: a.choice.Name == b.choice.Name && a.contract == b.contract && a.activations == b.activations,
	}
	if o.Journal, err = x.journal(a, b, run); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, o.Journal.Close()) }()
	return between(ctx, a, b, o)
}

// between builds the engines and bisects.
func between(ctx context.Context, a, b *side, o bisect.Options) (r *bisect.Report, err error) {
	first, err := a.engine()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, first.Close()) }()
	second, err := b.engine()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, second.Close()) }()
	if r, err = bisect.Run(ctx, first, second, o); err != nil {
		return nil, err
	}
	r.A, r.B = a.String(), b.String()
	return r, nil
}

// journal opens the file of --state for these sides and this run; nil without one.
func (x *bisection) journal(a, b *side, run record.Run) (*bisect.Journal, error) {
	if x.state == "" {
		return nil, nil
	}
	settings, err := json.Marshal(struct {
		Prompts []generate.Prompt
		IDs     []any
		Seed    int64
		T       float64
		Steps   int
		Scale   float64
		Tokens  int
		Penalty float64
		Pad     int32
	}{run.Prompts, run.IDs, x.seed, run.Options.T, run.Options.Steps, run.Options.Guidance, run.Options.MaxNewTokens, run.Options.Sampling.RepetitionPenalty, run.Options.PadTokenID})
	if err != nil {
		return nil, err
	}
	identity := func(s *side) string {
		return fmt.Sprintf("%v, %s, %s, %s activations", s.File.Root(), s.choice, s.contract, s.activations)
	}
	sum := blake3.Of(settings)
	j, err := bisect.OpenJournal(x.state, bisect.Binding{Program: version.String, A: identity(a), B: identity(b), Run: hex.EncodeToString(sum[:])})
	if err != nil {
		return nil, fmt.Errorf("--state: %w", err)
	}
	return j, nil
}
