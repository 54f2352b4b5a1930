// Command colasynth writes a checkpoint of given shapes with pseudo-random
// weights, for trying a conversion without the released weights.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/pflag"

	"colakit/formats/dtype"
	"colakit/internal/command"
	"colakit/internal/synth"
	"colakit/internal/units"
)

func program() command.Program {
	const short = "write a checkpoint of pseudo-random weights"
	return command.Program{
		Name:  "colasynth",
		Short: short,
		Verbs: []command.Verb{{
			Args:  "(--released | --dit-config FILE --vae-config FILE) -o DIR",
			Short: short,
			Long: `The layout is that of the released checkpoint: DIR/cola_dlm/cola_dit, DIR/cola_dlm/cola_vae
and, with --tokenizer, DIR/tokenizer.json. The same flags give the same bytes. DIR appears
when all of it is written; one that holds files is never written to.

  colasynth --released -o hf_models --dtype bf16 --shard-size 2GB
  colasynth --released --layers 2 --vae-blocks 1 -o small`,
			Setup: setup,
		}},
	}
}

func main() { os.Exit(program().Main()) }

// flags are the values of the command line.
type flags struct {
	dit, vae, tokenizer, out, elements, shard string
	released                                  bool
	layers, blocks                            int // notGiven: the configuration's
	seed                                      uint64
}

const notGiven = -1

func setup(set *pflag.FlagSet) func(context.Context, command.Streams, []string) error {
	var f flags
	set.StringVarP(&f.out, "output", "o", "", "`DIR` to write")
	set.BoolVar(&f.released, "released", false, "the released sizes: the class defaults with blocks of 16 latents")
	set.StringVar(&f.dit, "dit-config", "", "config.json `FILE` of the prior")
	set.StringVar(&f.vae, "vae-config", "", "config.json `FILE` of the VAE")
	set.IntVar(&f.layers, "layers", notGiven, "`N` blocks of the prior, instead of the configuration's")
	set.IntVar(&f.blocks, "vae-blocks", notGiven, "`N` blocks of the VAE's encoder and of its decoder, instead of the configuration's")
	set.StringVar(&f.elements, "dtype", "f32", "`TYPE` of the weights: f32, bf16, f16 or f64")
	set.StringVar(&f.shard, "shard-size", "", "largest `SIZE` of a weight file, as 500MB or 2GB; without it, one file per model")
	set.StringVar(&f.tokenizer, "tokenizer", "", "tokenizer.json `FILE` to copy")
	set.Uint64Var(&f.seed, "seed", 1, "seed `N` of the weights")
	for _, name := range []string{"layers", "vae-blocks"} {
		set.Lookup(name).DefValue = "" // none that help could state
	}
	return func(ctx context.Context, _ command.Streams, args []string) error {
		if len(args) == 0 && set.NFlag() == 0 {
			return pflag.ErrHelp
		}
		if _, err := command.Arguments(args); err != nil {
			return err
		}
		for name, n := range map[string]int{"layers": f.layers, "vae-blocks": f.blocks} {
			if set.Changed(name) && n < 0 {
				return fmt.Errorf("--%s is %d; want 0 or more", name, n)
			}
		}
		return f.run(ctx)
	}
}

func (f flags) run(ctx context.Context) error {
	if f.out == "" {
		return errors.New("-o DIR is missing")
	}
	cfg, err := f.config()
	if err != nil {
		return err
	}
	o := synth.Options{Seed: f.seed}
	if o.Type, err = dtype.Parse(f.elements); err != nil {
		return fmt.Errorf("--dtype: %w", err)
	}
	if f.shard != "" {
		if o.ShardSize, err = units.ParseBytes(f.shard); err != nil {
			return fmt.Errorf("--shard-size: %w", err)
		}
	}
	return writeFolder(f.out, func(dir string) error {
		if err := f.copyTokenizer(dir); err != nil {
			return err
		}
		return synth.WriteCheckpoint(ctx, dir, cfg, o)
	})
}
