package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/spf13/pflag"

	"colakit/cmd/internal/model"
	"colakit/convert"
	"colakit/internal/command"
	"colakit/internal/progress"
)

func convertVerb() command.Verb {
	return command.Verb{
		Name:  "convert",
		Args:  "SRC -o OUT",
		Short: "convert a Hugging Face checkpoint to a native artifact, or to another format",
		Long: `SRC is the folder that holds cola_dit and cola_vae, or the one above it with them in
cola_dlm; tokenizer.json lies with them or one level up. Weights are safetensors, in one
file or in shards, of type F32, F16, BF16 or F64.

Everything is checked before the first byte is written: both configurations, that no
tensor is missing, extra or misshaped, stored rotary frequencies, the tokenizer, the
output and the free space. NaN, Inf and values too large for the type are errors.
An interrupted conversion leaves OUT as it was and nothing else behind; with --resume
it leaves what is written, and the same command goes on from there. The same checkpoint
gives the same bytes, with any number of jobs, resumed or not.

With --golden the artifact is held against a golden bundle, as by colaverify --layerwise,
before it takes its name, and stores the verdict. One that fails is not put in place: the
operation that is wrong is named, and the exit code is 1.

--to other than cola writes the artifact beside OUT, exports it, as the command export
does, and removes it; there has to be room for both.

  colaconv convert hf_models -o cola.cola
  colaconv convert hf_models -o cola-bf16.cola --type bf16 --jobs 4
  colaconv convert hf_models -o cola-int8.cola --type int8 --rule '^vae\.encoder\.wte\.=int8'
  colaconv convert hf_models -o cola-small.cola --type int8 --ada table
  colaconv convert hf_models -o cola-f16.cola --type f16 --overflow bf16 --resume
  colaconv convert hf_models -o cola.cola --golden bundles/mine
  colaconv convert hf_models -o cola-int8 --to compressed-tensors --type int8`,
		Setup: setupConvert,
	}
}

// conversion is what the flags of convert ask for.
type conversion struct {
	optionFlags
	execute        convert.ExecuteOptions
	out, to        string
	golden         []string
	dryRun, asJSON bool
	progress       string
	bundles        []model.Bundle
}

func (f *conversion) declare(set *pflag.FlagSet) {
	set.StringVarP(&f.out, "output", "o", "", "`FILE` to write, or the folder that --to says")
	set.StringVar(&f.to, "to", toCola, "`FORMAT` of OUT: cola, safetensors, compressed-tensors or gguf; the flags of types are those of the artifact that is exported")
	set.StringArrayVar(&f.golden, "golden", nil, "`DIR` of a golden bundle that the artifact is verified against, or the name of an embedded one; repeatable; takes the memory of the model, beyond --max-rss")
	f.optionFlags.declare(set)
	set.BoolVar(&f.asJSON, "json", false, "print the summary, or the plan of --dry-run, as JSON")
	set.BoolVar(&f.dryRun, "dry-run", false, "print the plan, as the command plan does, and write nothing")
	set.BoolVar(&f.execute.Resume, "resume", false, "go on where a conversion of the same source and plan was interrupted or killed, if one was, and keep what is written if this one is: OUT.cola.partial and OUT.cola.journal")
	set.BoolVar(&f.execute.Force, "force", false, "replace OUT if it is there, a folder only if an export wrote it")
	set.StringVar(&f.progress, "progress", "auto", "`MODE` of reports on stderr: auto (a bar on a terminal), bar, json (lines) or none")
}

func setupConvert(set *pflag.FlagSet) func(context.Context, command.Streams, []string) error {
	var f conversion
	f.declare(set)
	return func(ctx context.Context, s command.Streams, args []string) error {
		if err := f.parse(args); err != nil {
			return err
		}
		if f.out == "" {
			return errors.New("-o OUT.cola is missing")
		}
		if err := f.checkTo(); err != nil {
			return err
		}
		if err := f.checkOutput(f.out); err != nil {
			return err
		}
		return f.run(ctx, s)
	}
}

func (f *conversion) run(ctx context.Context, s command.Streams) (err error) {
	bar, err := progress.New(s.Err, "convert", f.progress)
	if err != nil {
		return fmt.Errorf("--progress: %w", err)
	}
	defer bar.End()
	if f.bundles, err = openBundles(f.golden); err != nil {
		return err
	}
	defer model.CloseBundles(f.bundles)
	f.Bundles = len(f.bundles)
	f.fits = func(c *convert.Conversion) error { return fitBundles(c, f.Source, f.bundles) }
	if f.dryRun {
		o := convert.PreviewOptions{Output: f.out, Force: f.execute.Force, Resume: f.execute.Resume, Probe: probeTime}
		return preview(ctx, s, &f.optionFlags, o, bar, f.asJSON)
	}
	if f.to != toCola {
		return f.convertTo(ctx, s, bar)
	}
	summary, plan, err := f.write(ctx, f.out, bar)
	if err != nil {
		return err
	}
	if f.asJSON {
		return errors.Join(convert.WriteJSON(s.Out, summary), incomplete(summary.Verification))
	}
	return errors.Join(summary.WriteText(s.Out, plan), incomplete(summary.Verification))
}

// waiting is how many processors of the runtime may be held by threads that wait for
// the disk: it takes them away only after a while, and workers would miss them.
const waiting = 2

// write converts to an artifact.
func (f *conversion) write(ctx context.Context, out string, bar *progress.Reporter) (convert.Summary, convert.Plan, error) {
	c, err := f.prepare()
	if err != nil {
		return convert.Summary{}, convert.Plan{}, err
	}
	defer c.Close()
	e := f.execute
	e.Jobs, e.MaxMemory, e.Progress, e.Verify = f.jobs, f.memory, report(bar), verifier(f.bundles, bar)
	m, err := c.Memory(e.Jobs, e.MaxMemory)
	if err != nil {
		return convert.Summary{}, convert.Plan{}, err
	}
	keepBelow(m)
	e.Jobs = m.Jobs
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(m.Jobs + waiting))
	summary, err := c.Execute(ctx, out, e)
	bar.End()
	return summary, c.Plan, err
}
