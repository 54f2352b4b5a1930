package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"colakit/convert"
	"colakit/internal/command"
	"colakit/internal/progress"
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
An interrupted conversion leaves OUT.cola as it was and nothing else behind; with --resume
it leaves what is written, and the same command goes on from there. The same checkpoint
gives the same bytes, with any number of jobs, resumed or not.

  colaconv convert hf_models -o cola.cola
  colaconv convert hf_models -o cola-bf16.cola --type bf16 --jobs 4
  colaconv convert hf_models -o cola-int8.cola --type int8 --rule '^vae\.encoder\.wte\.=int8'
  colaconv convert hf_models -o cola-small.cola --type int8 --ada table
  colaconv convert hf_models -o cola-f16.cola --type f16 --overflow bf16 --resume`,
		Setup: setupConvert,
	}
}

func setupConvert(set *pflag.FlagSet) func(context.Context, command.Streams, []string) error {
	var f optionFlags
	var e convert.ExecuteOptions
	out := set.StringP("output", "o", "", "`FILE` to write")
	f.declare(set)
	asJSON := set.Bool("json", false, "print the summary, or the plan of --dry-run, as JSON")
	dryRun := set.Bool("dry-run", false, "print the plan, as the command plan does, and write nothing")
	set.BoolVar(&e.Resume, "resume", false, "go on where a conversion of the same source and plan was interrupted or killed, if one was, and keep what is written if this one is: OUT.cola.partial and OUT.cola.journal")
	set.BoolVar(&e.Force, "force", false, "replace OUT.cola if it is there")
	mode := set.String("progress", "auto", "`MODE` of reports on stderr: auto (a bar on a terminal), bar, json (lines) or none")
	return func(ctx context.Context, s command.Streams, args []string) (err error) {
		if err := f.parse(args); err != nil {
			return err
		}
		if *out == "" {
			return errors.New("-o OUT.cola is missing")
		}
		if err := f.checkOutput(*out); err != nil {
			return err
		}
		bar, err := progress.New(s.Err, "convert", *mode)
		if err != nil {
			return fmt.Errorf("--progress: %w", err)
		}
		defer bar.End()
		if *dryRun {
			o := convert.PreviewOptions{Output: *out, Force: e.Force, Resume: e.Resume, Probe: probeTime}
			return preview(ctx, s, &f, o, bar, *asJSON)
		}
		e.Jobs, e.MaxMemory, e.Progress = f.jobs, f.memory, report(bar)
		return execute(ctx, s, f.Options, e, *out, bar, *asJSON)
	}
}

func execute(ctx context.Context, s command.Streams, o convert.Options, e convert.ExecuteOptions, out string, bar *progress.Reporter, asJSON bool) error {
	c, err := convert.Prepare(o)
	if err != nil {
		return err
	}
	defer c.Close()
	m, err := c.Memory(e.Jobs, e.MaxMemory)
	if err != nil {
		return err
	}
	keepBelow(m)
	summary, err := c.Execute(ctx, out, e)
	bar.End()
	if err != nil {
		return err
	}
	if asJSON {
		return convert.WriteJSON(s.Out, summary)
	}
	return summary.WriteText(s.Out, c.Plan)
}
