package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"colakit/convert"
	"colakit/formats/cola"
	"colakit/formats/tensor"
	"colakit/internal/command"
)

func inspectVerb() command.Verb {
	return command.Verb{
		Name:  "inspect",
		Args:  "FILE [TENSOR]",
		Short: "describe an artifact or a safetensors file, or one tensor of it",
		Long: `Prints header, provenance and tensors, or one tensor's statistics and first values.
A damaged artifact is described as far as it can be read, and the exit code is 3.

  colaconv inspect cola.cola
  colaconv inspect cola.cola dit.txt_in.proj.weight --json`,
		Setup: setupInspect,
	}
}

func setupInspect(set *pflag.FlagSet) func(context.Context, command.Streams, []string) error {
	asJSON := set.Bool("json", false, "print JSON")
	return func(_ context.Context, s command.Streams, args []string) error {
		if len(args) < 1 || len(args) > 2 {
			return fmt.Errorf("want FILE and perhaps TENSOR, found %d arguments", len(args))
		}
		if len(args) == 2 {
			return inspectTensor(s, args[0], args[1], *asJSON)
		}
		i, err := convert.Inspect(args[0])
		switch {
		case errors.Is(err, tensor.ErrDamaged) && !*asJSON && convert.IsArtifact(args[0]):
			return errors.Join(err, cola.Dump(s.Out, args[0]))
		case err != nil:
			return err
		case *asJSON:
			return convert.WriteJSON(s.Out, i)
		}
		return i.WriteText(s.Out)
	}
}

func inspectTensor(s command.Streams, file, name string, asJSON bool) error {
	t, damage := convert.InspectTensor(file, name)
	if t.First == nil {
		return damage
	}
	if asJSON {
		return errors.Join(damage, convert.WriteJSON(s.Out, t))
	}
	return errors.Join(damage, t.WriteText(s.Out))
}
