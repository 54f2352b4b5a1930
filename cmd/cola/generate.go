package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/pflag"

	"colakit/internal/command"
	"colakit/internal/records"
	"colakit/internal/torch"
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
to --output, which is replaced when all are there, or to standard output.

Noise is torch's, bit for bit. --noise-seed N seeds every sample and block by
N + 1000·id + 10 000 000·block, like COLA_INFER_PER_SAMPLE_NOISE_SEED=N; a record
without an id counts by its place in the batch, an id that is no number by its
CRC-32. --seed N is torch.manual_seed(N): one stream for all, so the result
depends on the batch. Default: --noise-seed 66, the released benchmark's.`

// request is what the flags of generate ask for.
type request struct {
	model, tokenizer     string
	engine, contract     string
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
	flags.StringVar(&r.input, "input", "", "read prompts from this JSON-lines file (- is standard input)")
	flags.StringVar(&r.output, "output", "", "write records to this file instead of text or records to standard output")
	flags.IntVar(&o.MaxNewTokens, "max-new-tokens", o.MaxNewTokens, "stop when this many tokens are generated, prompt tokens of the first block included")
	flags.IntVar(&o.Steps, "steps", o.Steps, "flow-matching steps of a block")
	flags.Float64Var(&o.Guidance, "guidance", o.Guidance, "scale of classifier-free guidance")
	flags.Float64Var(&o.Sampling.Temperature, "temperature", o.Sampling.Temperature, "0 takes the most probable token; above, tokens are drawn")
	flags.IntVar(&o.Sampling.TopK, "top-k", o.Sampling.TopK, "draw from the K most probable tokens; 0 for all")
	flags.Float64Var(&o.Sampling.TopP, "top-p", o.Sampling.TopP, "draw from the most probable tokens that make up this probability; 1 for all")
	flags.Float64Var(&o.Sampling.RepetitionPenalty, "repetition-penalty", o.Sampling.RepetitionPenalty, "weaken tokens of earlier blocks; 1 for none")
	flags.Int64Var(&r.noiseSeed, "noise-seed", generate.DefaultNoiseSeed, "base seed of the noise of every sample and block")
	flags.Int64Var(&r.seed, "seed", 0, "seed of one random stream for all noise (without --noise-seed) and drawn tokens")
	r.ids.declare(flags)
	flags.IntVar(&r.batch, "batch-size", 20, "records generated at a time")
	flags.StringVar(&r.tokenizer, "tokenizer", "", "use this tokenizer.json instead of the model's own")
	flags.StringVar(&r.contract, "contract", generate.Exact.String(), "exact: nothing rounded; released: rounded to bfloat16 where the released code does")
	flags.StringVar(&r.activations, "activations", generate.FloatActivations.String(), "what int8 weights are multiplied by: float, or int8, each token quantised as it comes")
	flags.StringVar(&r.engine, "engine", "reference", "what computes the model: "+engineNames())
	flags.BoolVar(&r.blockTokens, "block-tokens", false, "add block_tokens to the records: every sampled id, before the prompt's part is cut off")
	flags.BoolVar(&r.special, "keep-special", false, "stream everything: special tokens and what follows the end of the text")
	flags.StringVar(&r.progress, "progress", "auto", "progress of records on standard error: auto, bar, json or none")
}

func (r *request) run(ctx context.Context, s command.Streams, args []string) error {
	prompts, err := r.arguments(args)
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
	generator := torch.New(uint64(r.seed))
	if !r.seeded {
		generator = torch.New(uint64(r.noiseSeed))
	}
	r.options.Draws = generator
	if r.input == "" && r.output == "" && !r.blockTokens {
		return r.stream(ctx, s.Out, m, generator, prompts)
	}
	return r.records(ctx, s, m, generator, prompts)
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
	case r.batch < 1:
		return nil, fmt.Errorf("a batch of %d; --batch-size is at least 1", r.batch)
	}
	if info, err := os.Stat(args[0]); err == nil && info.IsDir() && args[0] != tinyName {
		return nil, fmt.Errorf("%s is a folder, not a .cola file; convert it first: colaconv convert %s -o MODEL.cola", args[0], args[0])
	}
	r.model = args[0]
	return args[1:], nil
}

// noise returns the noise of one batch.
func (r *request) noise(generator *torch.Generator, ids []int64, batch int) generate.Noise {
	if r.global {
		return &generate.Global{Generator: generator, Batch: batch}
	}
	return generate.PerSample{Base: r.noiseSeed, IDs: ids}
}

// load returns the records of --input, or one for each prompt.
func (r *request) load(in io.Reader, prompts []string) (recs []records.Record, name string, err error) {
	switch r.input {
	case "":
		for i, text := range prompts {
			recs = append(recs, records.Record{ID: fmt.Append(nil, i), Prompt: text})
		}
		return recs, "prompt", nil
	case "-":
		recs, err = records.Read(in, "standard input")
		return recs, "standard input", err
	}
	file, err := os.Open(r.input)
	if err != nil {
		return nil, "", err
	}
	defer file.Close()
	recs, err = records.Read(file, r.input)
	return recs, r.input, err
}
