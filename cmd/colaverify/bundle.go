package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"colakit/cmd/internal/model"
	"colakit/internal/atomicfile"
	"colakit/internal/command"
	"colakit/verify"
)

func bundleVerb() command.Verb {
	return command.Verb{
		Name:  "bundle",
		Args:  "A B",
		Short: "compare two golden bundles of one run: did another version or machine move the reference?",
		Long: `Compares two golden bundles, folders or embedded ones, of the same model, prompts and
settings, value by value: what is bit-equal, the first difference, how far apart the
rest is, and what differs in the environments they were recorded in. Passes on the same
inputs are judged by the rules for free-running ones, the latents of a block by those
for generation and the floors of A; the rest is shown.

  colaverify bundle bundles/torch-2.14 bundles/torch-2.15
  colaverify bundle bundles/naive bundles/sdpa --json - | jq '.reports[0].recordings'`,
		Setup: setupBundle,
	}
}

func setupBundle(set *pflag.FlagSet) func(context.Context, command.Streams, []string) error {
	var o outputs
	o.flags(set)
	return func(ctx context.Context, s command.Streams, args []string) error {
		args, err := command.Arguments(args, "A", "B")
		if err != nil {
			return err
		}
		var inputs []atomicfile.Input
		for _, name := range args {
			inputs = append(inputs, request{golden: name}.bundleFiles()...)
		}
		if err := o.check(inputs...); err != nil {
			return err
		}
		report, err := bundles(ctx, args[0], args[1])
		if err != nil {
			return err
		}
		suite := verify.NewSuite(report)
		return errors.Join(model.VerdictError(suite), o.write(s, suite))
	}
}

func bundles(ctx context.Context, nameA, nameB string) (r *verify.Report, err error) {
	a, err := openBundle("A", nameA)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	b, err := openBundle("B", nameB)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	return verify.Bundles(ctx, a.Bundle, b.Bundle, a.Name, b.Name)
}

func openBundle(which, name string) (model.Bundle, error) {
	b, err := model.OpenBundle(name)
	if err != nil {
		err = fmt.Errorf("%s: %w", which, err)
	}
	return b, err
}
