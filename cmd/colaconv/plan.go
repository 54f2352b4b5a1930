package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"colakit/convert"
	"colakit/internal/command"
	"colakit/internal/progress"
)

func planVerb() command.Verb {
	return command.Verb{
		Name:  "plan",
		Args:  "SRC [-o OUT.cola]",
		Short: "say what a conversion would do, and what it would take",
		Long: `Prints for every tensor its type in the source, what is done to it, its type and bytes in
the artifact, and what decided that; then the size of the artifact, to the byte, disk and
memory needed, and the time. Nothing is written. All checks of a conversion are made but
for those of values; --overflow makes these, too.

The time is that of converting tiles from all over the source for a moment (--probe), and
leaves writing out: no one knows what a disk does later.

  colaconv plan hf_models --type int8
  colaconv plan hf_models --type f16 --rule '\.ada\.=f32' --json >plan.json
  colaconv convert hf_models -o cola.cola --recipe plan.json`,
		Setup: setupPlan,
	}
}

// probeTime is how long tiles are converted for an estimate.
const probeTime = 60 * time.Millisecond

func setupPlan(set *pflag.FlagSet) func(context.Context, command.Streams, []string) error {
	var f optionFlags
	var p convert.PreviewOptions
	f.declare(set)
	set.StringVarP(&p.Output, "output", "o", "", "`FILE` that would be written, to check it and its disk")
	set.BoolVar(&p.Force, "force", false, "as if OUT.cola might be replaced")
	set.DurationVar(&p.Probe, "probe", probeTime, "`TIME` to convert tiles for an estimate; 0: none")
	asJSON := set.Bool("json", false, "print JSON, which --recipe takes")
	mode := set.String("progress", "auto", "`MODE` of reports on stderr: auto (a bar on a terminal), bar, json (lines) or none")
	return func(ctx context.Context, s command.Streams, args []string) error {
		if err := f.parse(args); err != nil {
			return err
		}
		if p.Probe < 0 {
			return fmt.Errorf("--probe %v: want a time, or 0", p.Probe)
		}
		bar, err := progress.New(s.Err, "plan", *mode)
		if err != nil {
			return fmt.Errorf("--progress: %w", err)
		}
		return preview(ctx, s, &f, p, bar, *asJSON)
	}
}

// preview prints what a conversion would do.
func preview(ctx context.Context, s command.Streams, f *optionFlags, o convert.PreviewOptions, bar *progress.Reporter, asJSON bool) error {
	defer bar.End()
	c, err := f.prepare()
	if err != nil {
		return err
	}
	defer c.Close()
	m, err := c.Memory(f.jobs, f.memory)
	if err != nil {
		return err
	}
	keepBelow(m)
	o.Jobs, o.MaxMemory = f.jobs, f.memory
	scan := convert.ScanOptions{Jobs: f.jobs, MaxMemory: f.memory, Progress: report(bar)}
	if err := c.Scan(ctx, scan); err != nil {
		return err
	}
	p, err := c.Preview(ctx, o)
	bar.End()
	if err != nil {
		return err
	}
	if asJSON {
		return convert.WriteJSON(s.Out, p)
	}
	return p.WriteText(s.Out)
}

func report(bar *progress.Reporter) func(convert.Progress) {
	return func(p convert.Progress) { bar.Update(p.Doing, p.Done, p.Total) }
}
