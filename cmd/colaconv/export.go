package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"colakit/convert/export"
	"colakit/internal/command"
	"colakit/internal/progress"
	"colakit/internal/units"
)

func exportVerb() command.Verb {
	return command.Verb{
		Name:  "export",
		Args:  "FILE.cola --to FORMAT -o OUT",
		Short: "write an artifact in the format of another runtime",
		Long: `Formats, and the types that --type takes; without it, weights stay as they are stored:

  safetensors         f32, f16, bf16: a Hugging Face folder, for the public Python package
  compressed-tensors  int8, int8-g32, int8-g64, int8-g128: the same with int8 weights, for
                      Transformers with compressed-tensors
  gguf                f32, f16, bf16, q8_0: one file; programs built on ggml read it and
                      can't run it, because none of them has a Cola DLM

What the format can't hold is refused by name before a byte is written. The export is
read back and compared with the artifact before it takes its name.

  colaconv export cola.cola --to safetensors -o hf_models
  colaconv export cola.cola --to compressed-tensors --type int8 -o cola-int8
  colaconv export cola.cola --to gguf --type q8_0 -o cola-q8_0.gguf`,
		Setup: setupExport,
	}
}

func setupExport(set *pflag.FlagSet) func(context.Context, command.Streams, []string) error {
	var o export.Options
	var e export.ExecuteOptions
	out := set.StringP("output", "o", "", "folder or `FILE` to write")
	format := set.String("to", "", "`FORMAT`: safetensors, compressed-tensors or gguf")
	set.StringVar(&o.Type, "type", "", "`TYPE` of the weights; see above")
	set.StringVar(&o.Fallback, "fallback", "", "`TYPE` of matrices whose rows are no whole blocks or groups: f32, f16 or bf16; else they are refused")
	shard := set.String("shard-size", "5GB", "largest `SIZE` of a weight file in a folder: bytes, or with kB, MB, GB")
	set.BoolVar(&e.Force, "force", false, "replace OUT if it is there, a folder only if an export wrote it")
	set.IntVar(&e.Jobs, "jobs", 0, "`N` workers; 0: one per processor")
	dry := set.Bool("dry-run", false, "print the plan and write nothing")
	asJSON := set.Bool("json", false, "print JSON: the plan, or what was done")
	mode := set.String("progress", "auto", "`MODE` of reports on stderr: auto (a bar on a terminal), bar, json (lines) or none")
	return func(ctx context.Context, s command.Streams, args []string) error {
		file, err := command.One(args, "FILE.cola")
		switch {
		case err != nil:
			return err
		case *out == "" && !*dry:
			return errors.New("-o OUT is missing")
		case e.Jobs < 0:
			return fmt.Errorf("--jobs %d: want a number of workers, or 0", e.Jobs)
		}
		o.Format = export.Format(*format)
		if set.Changed("shard-size") {
			if o.ShardBytes, err = units.ParseBytes(*shard); err != nil {
				return fmt.Errorf("--shard-size: %w", err)
			}
		}
		x, err := export.Prepare(file, o)
		if err != nil {
			return err
		}
		defer x.Close()
		if *dry {
			return x.Plan.Write(s.Out, *asJSON)
		}
		return runExport(ctx, s, x, *out, e, *mode, *asJSON)
	}
}

func runExport(ctx context.Context, s command.Streams, x *export.Export, out string, e export.ExecuteOptions, mode string, asJSON bool) error {
	bar, err := progress.New(s.Err, "export", mode)
	if err != nil {
		return fmt.Errorf("--progress: %w", err)
	}
	e.Progress = func(p export.Progress) { bar.Update(p.Doing, p.Done, p.Total) }
	summary, err := x.Execute(ctx, out, e)
	bar.End()
	if errors.Is(err, export.ErrDiffers) {
		return fmt.Errorf("%w (%w)", err, command.ErrWrong)
	}
	if err != nil {
		return err
	}
	return summary.Write(s.Out, x.Plan, asJSON)
}
