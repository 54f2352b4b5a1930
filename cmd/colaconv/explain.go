package main

import (
	"context"
	"errors"

	"github.com/spf13/pflag"

	"colakit/convert"
	"colakit/internal/command"
)

func explainVerb() command.Verb {
	return command.Verb{
		Name:  "explain",
		Args:  "FILE TENSOR",
		Short: "say where a tensor comes from, what decided about its type and what that cost",
		Long: `Prints of a tensor of an artifact: its source tensor, file and that file's hash, the rule
that gave it its type, the error of storing it so, and what it holds now. Other formats
hold no plan: then it is what the file and its config.json say.

  colaconv explain cola-int8.cola dit.blocks.0.msa.proj_qkv.weight`,
		Setup: setupExplain,
	}
}

func setupExplain(set *pflag.FlagSet) func(context.Context, command.Streams, []string) error {
	asJSON := set.Bool("json", false, "print JSON")
	return func(_ context.Context, s command.Streams, args []string) error {
		if _, err := command.Arguments(args, "FILE", "TENSOR"); err != nil {
			return err
		}
		e, damage := convert.Explain(args[0], args[1])
		switch {
		case e.Name == "":
			return damage
		case *asJSON:
			return errors.Join(damage, convert.WriteJSON(s.Out, e))
		}
		return errors.Join(damage, e.WriteText(s.Out))
	}
}
