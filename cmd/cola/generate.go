package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/spf13/pflag"

	"colakit/cmd/internal/model"
	"colakit/formats/hf"
	"colakit/internal/atomicfile"
	"colakit/internal/command"
	"colakit/internal/progress"
	"colakit/internal/records"
	"colakit/internal/torch"
	"colakit/internal/units"
	"colakit/reference/generate"
)

const generateLong = `Continues prompts block by block. Prompts on the command line are answered one
after the other; their text streams as it is generated and ends at the first
<|endoftext|>, <|im_end|>, --eos-token-id or --im-end-token-id.

  cola generate tiny "One day Ben"                     the model that is built in
  cola generate model.cola "Once upon a time"
  cola generate model.cola --input prompts.jsonl --output answers.jsonl

Records of --input are JSON objects, one a line: question (or prompt), id, answer
(or ground_truth), choices. Records of the output hold id, prompt, generate,
ground_truth and choices; their text keeps special tokens and is not cut. They go
to --output, which is replaced when all are there and can't be a file that is read,
or to standard output.

Noise is torch's, bit for bit. --noise-seed N seeds every sample and block by
N + 1000·id + 10 000 000·block, like COLA_INFER_PER_SAMPLE_NOISE_SEED=N; a record
without an id counts by its place in the batch, an id that is no number by its
CRC-32. --seed N is torch.manual_seed(N): one stream for all, so the result
depends on the batch. Default: --noise-seed 66, the released benchmark's.

--engine and --devices change how fast a batch is computed. --devices 0,1 loads the
model onto both and gives each a part of every batch; tokens and order stay.`

// request is what the flags of generate ask for.
type request struct {
	model, tokenizer     string
	engine               model.EngineFlags
	contract             string
	activations          string
	input, output        string
	options              generate.Options
	batch                int
	noiseSeed, seed      int64
	global               bool // --seed without --noise-seed
	seeded               bool // --seed
	blockTokens, special bool
	progress             string
	ids                  specialIDs
	nonFinite            int // tokens so far that were chosen from logits with NaN or infinity
}

func generateVerb() command.Verb {
	return command.Verb{
		Name:  "generate",
		Args:  "MODEL.cola|tiny [PROMPT…]",
		Short: "continue prompts with a converted model",
		Long:  generateLong,
		Setup: func(flags *pflag.FlagSet) func(context.Context, command.Streams, []string) error {
			r := &request{options: generate.Defaults()}
			r.declare(flags)
			return func(ctx context.Context, s command.Streams, args []string) error {
				r.seeded = flags.Changed("seed")
				r.global = r.seeded && !flags.Changed("noise-seed")
				return r.run(ctx, s, args)
			}
		},
	}
}

func (r *request) declare(flags *pflag.FlagSet) {
	o := &r.options
	flags.StringVar(&r.input, "input", "", "read prompts from this JSON-lines `FILE` (- is standard input)")
	flags.StringVar(&r.output, "output", "", "write records to this `FILE` (- is standard output) instead of text to standard output")
	flags.IntVar(&o.MaxNewTokens, "max-new-tokens", o.MaxNewTokens, "stop when `N` tokens are generated, prompt tokens of the first block included")
	flags.IntVar(&o.Steps, "steps", o.Steps, "`N` flow-matching steps of a block")
	flags.Float64Var(&o.Guidance, "guidance", o.Guidance, "scale `X` of classifier-free guidance")
	flags.Float64Var(&o.Sampling.Temperature, "temperature", o.Sampling.Temperature, "`X`: 0 takes the most probable token; above, tokens are drawn")
	flags.IntVar(&o.Sampling.TopK, "top-k", o.Sampling.TopK, "draw from the `N` most probable tokens; 0 for all")
	flags.Float64Var(&o.Sampling.TopP, "top-p", o.Sampling.TopP, "draw from the most probable tokens that make up the probability `X`; 1 for all")
	flags.Float64Var(&o.Sampling.RepetitionPenalty, "repetition-penalty", o.Sampling.RepetitionPenalty, "weaken tokens of earlier blocks by `X`; 1 for none")
	flags.Int64Var(&r.noiseSeed, "noise-seed", generate.DefaultNoiseSeed, "base seed `N` of the noise of every sample and block")
	flags.Int64Var(&r.seed, "seed", 0, "seed `N` of one random stream for all noise (without --noise-seed) and drawn tokens")
	r.ids.declare(flags)
	flags.IntVar(&r.batch, "batch-size", 20, "`N` records are generated at a time")
	flags.StringVar(&r.tokenizer, "tokenizer", "", "use the tokenizer.json `FILE` instead of the model's own")
	flags.StringVar(&r.contract, "contract", generate.Exact.String(), "`CONTRACT` of the arithmetic: exact, nothing rounded, or released, rounded to bfloat16 where the released code does")
	flags.StringVar(&r.activations, "activations", generate.FloatActivations.String(), "`TYPE` of what int8 weights are multiplied by: float, or int8, each token quantised as it comes")
	r.engine.Declare(flags, "computes the model")
	r.engine.DeclareDevices(flags)
	flags.BoolVar(&r.blockTokens, "block-tokens", false, "add block_tokens to the records: every sampled id, before the prompt's part is cut off")
	flags.BoolVar(&r.special, "keep-special", false, "stream everything: special tokens and what follows the end of the text")
	flags.StringVar(&r.progress, "progress", "auto", "`MODE` of reports on stderr about records: auto (a bar on a terminal), bar, json (lines) or none")
}

func (r *request) run(ctx context.Context, s command.Streams, args []string) error {
	prompts, err := r.arguments(args)
	if err != nil {
		return err
	}
	if err := r.check(); err != nil {
		return err
	}
	bar, err := progress.New(s.Err, "generate", r.progress)
	if err != nil {
		return fmt.Errorf("--progress: %w", err)
	}
	streams := r.input == "" && r.output == "" && !r.blockTokens
	var job job
	if !streams {
		if job, err = r.load(s.In, prompts); err != nil {
			return err
		}
	}
	choice, err := r.engine.Choose()
	if err != nil {
		return err
	}
	m, err := openModel(ctx, r)
	if err != nil {
		return err
	}
	defer m.Close()
	if err := r.ids.resolve(m.tokenizer, &r.options); err != nil {
		return err
	}
	if choice.Name != model.DefaultEngine {
		choice.Extent = r.extent(m, job, prompts)
		choice.Schedule = &hf.Schedule{T: int(r.options.T), Steps: r.options.Steps}
	}
	if err := m.build(&choice); err != nil {
		return err
	}
	if choice.Reason != "" {
		fmt.Fprintf(s.Err, "cola: engine %s (%s)\n", choice, choice.Reason)
	}
	generator := torch.New(uint64(r.seed))
	if !r.seeded {
		generator = torch.New(uint64(r.noiseSeed))
	}
	r.options.Draws = generator
	defer r.warn(s.Err)
	if streams {
		return r.stream(ctx, s.Out, m, generator, prompts)
	}
	return r.records(ctx, s.Out, m, generator, job, bar)
}

// compute runs a batch and counts what went wrong in it.
func (r *request) compute(ctx context.Context, m *computed, prompts []generate.Prompt, o generate.Options, noise generate.Noise) ([]generate.Result, error) {
	results, err := generate.Run(ctx, m.engine, prompts, o, noise)
	for _, result := range results {
		r.nonFinite += result.NonFinite
	}
	return results, err
}

// warn says that tokens were chosen although the model gave no numbers for them.
func (r *request) warn(w io.Writer) {
	if r.nonFinite > 0 {
		fmt.Fprintf(w, "cola: warning: %s chosen from logits with NaN or infinity, as the public package does; check the model: colaconv check %s\n",
			units.Count(int64(r.nonFinite), "token"), r.model)
	}
}

// arguments splits the positional arguments into the model and prompts.
func (r *request) arguments(args []string) (prompts []string, err error) {
	switch {
	case len(args) == 0:
		return nil, errors.New("no model given: colaconv convert CHECKPOINT -o MODEL.cola makes one, and tiny names the one that is built in (cola generate tiny \"One day Ben\")")
	case len(args) > 1 && r.input != "":
		return nil, fmt.Errorf("prompts both in %s and on the command line (%q); give one or the other", r.input, args[1])
	case len(args) == 1 && r.input == "":
		return nil, errors.New("nothing to continue: give a prompt after the model, or records with --input FILE")
	}
	r.model = args[0]
	return args[1:], nil
}

// check refuses values of flags before any work.
func (r *request) check() error {
	const most = math.MaxFloat64 // NaN and Inf are beyond
	o, s := r.options, r.options.Sampling
	for _, f := range []struct {
		name  string
		value any
		good  bool
		want  string
	}{
		{"max-new-tokens", o.MaxNewTokens, o.MaxNewTokens >= 1, "1 or more"},
		{"steps", o.Steps, o.Steps >= 1 && o.Steps <= generate.MaxSteps, fmt.Sprintf("1 to %d", generate.MaxSteps)},
		{"guidance", o.Guidance, math.Abs(o.Guidance) <= most, "a finite number"},
		{"temperature", s.Temperature, s.Temperature >= 0 && s.Temperature <= most, "0 or a finite number above"},
		{"top-k", s.TopK, s.TopK >= 0, "0 (all tokens) or more"},
		{"top-p", s.TopP, s.TopP > 0 && s.TopP <= 1, "above 0 and at most 1 (all tokens)"},
		{"repetition-penalty", s.RepetitionPenalty, s.RepetitionPenalty > 0 && s.RepetitionPenalty <= most, "a finite number above 0"},
		{"batch-size", r.batch, r.batch >= 1, "1 or more"},
	} {
		if !f.good {
			return fmt.Errorf("--%s is %v; want %s", f.name, f.value, f.want)
		}
	}
	if r.output == "" || r.output == "-" {
		return nil
	}
	inputs := []atomicfile.Input{{Path: r.model, Role: "the model"}, {Path: r.input, Role: "the file of --input"}, {Path: r.tokenizer, Role: "the file of --tokenizer"}}
	if err := atomicfile.Check(r.output, inputs...); err != nil {
		return fmt.Errorf("--output: %w", err)
	}
	return nil
}

// noise returns the noise of one batch.
func (r *request) noise(generator *torch.Generator, ids []int64, batch int) generate.Noise {
	if r.global {
		return &generate.Global{Generator: generator, Batch: batch}
	}
	return generate.PerSample{Base: r.noiseSeed, IDs: ids}
}

// job is what is to be generated.
type job struct {
	name    string // of the file; "prompt" for the command line
	records []records.Record
}

// load returns the records of --input, or one for each prompt, checked.
func (r *request) load(in io.Reader, prompts []string) (j job, err error) {
	switch r.input {
	case "":
		j.name = "prompt"
		for i, text := range prompts {
			j.records = append(j.records, records.Record{ID: fmt.Append(nil, i), Prompt: text})
		}
		return j, nil
	case "-":
		j.name = "standard input"
	default:
		file, err := os.Open(r.input)
		if err != nil {
			return j, err
		}
		defer file.Close()
		in, j.name = file, r.input
	}
	if j.records, err = records.Read(in, j.name); err != nil {
		return j, err
	}
	if len(j.records) == 0 {
		return j, fmt.Errorf("%s holds no records", j.name)
	}
	return j, r.checkIDs(j)
}

// checkIDs returns an error for an id that can't seed noise, where it has to.
func (r *request) checkIDs(j job) error {
	for i, rec := range j.records {
		if _, err := rec.NoiseID(0); err != nil && !r.global {
			return fmt.Errorf("%s: %w", j.where(i), err)
		}
	}
	return nil
}

// where says where record i comes from.
func (j job) where(i int) string {
	if line := j.records[i].Line; line > 0 {
		return fmt.Sprintf("%s:%d", j.name, line)
	}
	return fmt.Sprintf("%s %d", j.name, i)
}
