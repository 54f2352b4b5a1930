package main

import (
	"context"
	"fmt"
	"math"

	"github.com/spf13/pflag"

	"colakit/convert"
	"colakit/internal/command"
	"colakit/internal/progress"
)

func diffVerb() command.Verb {
	return command.Verb{
		Name:  "diff",
		Args:  "A B",
		Short: "compare two files or folders of weights, tensor by tensor",
		Long: `Joins the tensors of two artifacts, safetensors or GGUF files, model folders or
checkpoints by native name, and prints the worst first: tensors on one side only, other
shapes, and how far the numbers of B are from those of A. rel-L2 is √(Σ(b−a)²/Σa²),
SQNR is −20·log₁₀ of it; quantised tensors are compared as the numbers they stand for.
A type alone is no difference: what counts is the numbers. Configurations and tokenizers
are compared where both sides have them.

Exit code 0: equal, or within --tolerance. 1: anything differs, a name, a shape, a
setting or numbers. 3: a file is damaged. 4: equal as far as could be compared, but some
tensors are stored in blocks that can't be decoded here.

  colaconv diff hf_models cola-f32.cola
  colaconv diff cola.cola cola-int8.cola --all
  colaconv diff cola-int8.cola cola-q8.gguf --tolerance 0.01`,
		Setup: setupDiff,
	}
}

func setupDiff(set *pflag.FlagSet) func(context.Context, command.Streams, []string) error {
	var o convert.DiffOptions
	asJSON := set.Bool("json", false, "print JSON; it lists every tensor")
	all := set.Bool("all", false, "list every tensor, not only the worst that differ")
	set.Float64Var(&o.Tolerance, "tolerance", 0, "rel-L2 `REL` up to which a tensor's numbers may differ")
	set.IntVar(&o.Jobs, "jobs", 0, "`N` workers; 0: one per processor")
	mode := set.String("progress", "auto", "`MODE` of reports on stderr: auto (a bar on a terminal), bar, json (lines) or none")
	return func(ctx context.Context, s command.Streams, args []string) error {
		if _, err := command.Arguments(args, "A", "B"); err != nil {
			return err
		}
		if !(o.Tolerance >= 0 && o.Tolerance <= math.MaxFloat64) {
			return fmt.Errorf("--tolerance %v: want a number from 0", o.Tolerance)
		}
		if o.Jobs < 0 {
			return fmt.Errorf("--jobs %d: want a number of workers, or 0", o.Jobs)
		}
		bar, err := progress.New(s.Err, "diff", *mode)
		if err != nil {
			return fmt.Errorf("--progress: %w", err)
		}
		bar.Count("elements")
		o.Progress = func(done, total int64) { bar.Update("", done, total) }
		r, err := convert.Diff(ctx, args[0], args[1], o)
		bar.End()
		if err != nil {
			return err
		}
		if *asJSON {
			err = convert.WriteJSON(s.Out, r)
		} else {
			err = r.WriteText(s.Out, *all)
		}
		if err != nil {
			return err
		}
		return judge(r)
	}
}

// judge returns the error that a report stands for.
func judge(r convert.DiffReport) error {
	switch {
	case r.Different():
		return outcome{fmt.Sprintf("%s and %s differ: %s", r.A.File, r.B.File, r.Summary()), command.ErrWrong}
	case !r.Complete():
		return outcome{fmt.Sprintf("%s and %s are equal as far as they could be compared: %s", r.A.File, r.B.File, r.Summary()), command.ErrIncomplete}
	}
	return nil
}

// outcome is an error with a text of its own that means an exit code.
type outcome struct {
	text string
	is   error
}

func (o outcome) Error() string { return o.text }
func (o outcome) Unwrap() error { return o.is }
