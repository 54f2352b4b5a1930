package main

import (
	"context"
	"errors"

	"github.com/spf13/pflag"

	"colakit/convert"
	"colakit/internal/command"
)

func inspectVerb() command.Verb {
	return command.Verb{
		Name:  "inspect",
		Args:  "FILE [TENSOR]",
		Short: "describe a file or folder of weights, or one tensor of it",
		Long: `Prints header, provenance and tensors, or one tensor's statistics and first values.
FILE is an artifact, a safetensors or GGUF file, one model's folder or a checkpoint; it
is recognised by its content. Tensors have their native names: "dit." or "vae.", then
the name in the checkpoint. TENSOR may also be the name in the file.
A damaged file is described as far as it can be read, and the exit code is 3.

  colaconv inspect cola.cola
  colaconv inspect hf_models
  colaconv inspect cola.gguf dit.txt_in.proj.weight --json`,
		Setup: setupInspect,
	}
}

func setupInspect(set *pflag.FlagSet) func(context.Context, command.Streams, []string) error {
	asJSON := set.Bool("json", false, "print JSON")
	return func(_ context.Context, s command.Streams, args []string) error {
		names := []string{"FILE", "TENSOR"}
		if len(args) < 2 {
			names = names[:1]
		}
		if _, err := command.Arguments(args, names...); err != nil {
			return err
		}
		if len(args) == 2 {
			return inspectTensor(s, args[0], args[1], *asJSON)
		}
		i, err := convert.Inspect(args[0])
		switch {
		case i.Schema == "":
			return err
		case *asJSON:
			return errors.Join(err, convert.WriteJSON(s.Out, i))
		}
		return errors.Join(err, i.WriteText(s.Out))
	}
}

func inspectTensor(s command.Streams, file, name string, asJSON bool) error {
	t, damage := convert.InspectTensor(file, name)
	switch {
	case t.Name == "":
		return damage
	case asJSON:
		return errors.Join(damage, convert.WriteJSON(s.Out, t))
	}
	return errors.Join(damage, t.WriteText(s.Out))
}
