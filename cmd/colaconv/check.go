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

func checkVerb() command.Verb {
	return command.Verb{
		Name:  "check",
		Args:  "FILE",
		Short: "find damage: structure, checksums, values, inventory",
		Long: `Reads the whole file. Every flipped bit is found and attributed to its tensor. NaN, Inf
and tensors that the configurations do not expect are damage; matrices of nothing but
zeros are noted. Safetensors and GGUF files, model folders and checkpoints have no
checksums: of these all but the checksums is checked.

  colaconv check cola.cola`,
		Setup: setupCheck,
	}
}

func setupCheck(set *pflag.FlagSet) func(context.Context, command.Streams, []string) error {
	var o convert.CheckOptions
	asJSON := set.Bool("json", false, "print JSON")
	set.IntVar(&o.Jobs, "jobs", 0, "`N` workers; 0: one per processor")
	mode := set.String("progress", "auto", "`MODE` of reports on stderr: auto (a bar on a terminal), bar, json (lines) or none")
	return func(ctx context.Context, s command.Streams, args []string) error {
		file, err := command.One(args, "FILE")
		if err != nil {
			return err
		}
		bar, err := progress.New(s.Err, "check", *mode)
		if err != nil {
			return fmt.Errorf("--progress: %w", err)
		}
		o.Progress = func(done, total int64) { bar.Update("", done, total) }
		r, err := convert.CheckAny(ctx, file, o)
		bar.End()
		switch {
		case err != nil:
			return err
		case *asJSON:
			err = convert.WriteJSON(s.Out, r)
		default:
			err = r.WriteText(s.Out)
		}
		return errors.Join(r.Err(), err)
	}
}
