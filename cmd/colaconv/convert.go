package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"colakit/convert"
	"colakit/internal/command"
	"colakit/internal/progress"
	"colakit/quantize"
)

func convertVerb() command.Verb {
	return command.Verb{
		Name:  "convert",
		Args:  "SRC -o OUT.cola",
		Short: "convert a Hugging Face checkpoint to a native artifact",
		Long: `SRC is the folder that holds cola_dit and cola_vae, or the one above it with them in
cola_dlm; tokenizer.json lies with them or one level up. Weights are safetensors, in one
file or in shards, of type F32, F16, BF16 or F64.

Everything is checked before the first byte is written: both configurations, that no
tensor is missing, extra or misshaped, stored rotary frequencies, the tokenizer, the
output and the free space. NaN, Inf and values too large for the type are errors.
An interrupted conversion leaves nothing behind and OUT.cola as it was. The same
checkpoint gives the same bytes, with any number of jobs.

  colaconv convert hf_models -o cola.cola
  colaconv convert hf_models -o cola-bf16.cola --type bf16 --jobs 4`,
		Setup: setupConvert,
	}
}

func setupConvert(set *pflag.FlagSet) func(context.Context, command.Streams, []string) error {
	var o convert.Options
	var e convert.ExecuteOptions
	out := set.StringP("output", "o", "", "`FILE` to write")
	kind := set.String("type", "f32", "`TYPE` of all matrices: f32, f16 or bf16; vectors keep f32")
	set.StringVar(&o.Tokenizer, "tokenizer", "", "tokenizer.json `FILE`, instead of the one that lies with the checkpoint")
	set.BoolVar(&o.NoTokenizer, "no-tokenizer", false, "convert without a tokenizer")
	set.IntVar(&e.Jobs, "jobs", 0, "`N` workers; 0: one per processor")
	set.BoolVar(&e.Force, "force", false, "replace OUT.cola if it is there")
	mode := set.String("progress", "auto", "`MODE` of reports on stderr: auto (a bar on a terminal), bar, json (lines) or none")
	return func(ctx context.Context, s command.Streams, args []string) (err error) {
		if o.Source, err = command.One(args, "SRC, the folder of the checkpoint"); err != nil {
			return err
		}
		if *out == "" {
			return errors.New("-o OUT.cola is missing")
		}
		if e.Jobs < 0 {
			return fmt.Errorf("--jobs %d: want a number of workers, or 0", e.Jobs)
		}
		if o.Type, err = quantize.ParseScheme(*kind); err != nil {
			return fmt.Errorf("--type: %w", err)
		}
		bar, err := progress.New(s.Err, "convert", *mode)
		if err != nil {
			return fmt.Errorf("--progress: %w", err)
		}
		defer bar.End()
		e.Progress = func(p convert.Progress) { bar.Update(p.Doing, p.Done, p.Total) }
		return run(ctx, s, o, e, *out, bar)
	}
}

func run(ctx context.Context, s command.Streams, o convert.Options, e convert.ExecuteOptions, out string, bar *progress.Reporter) error {
	c, err := convert.Prepare(o)
	if err != nil {
		return err
	}
	defer c.Close()
	summary, err := c.Execute(ctx, out, e)
	bar.End()
	if err != nil {
		return err
	}
	return summary.WriteText(s.Out, c.Plan)
}
