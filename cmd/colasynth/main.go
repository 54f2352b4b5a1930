// Command colasynth writes a checkpoint of given shapes with pseudo-random
// weights, for trying a conversion without the released weights.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"colakit/formats/dtype"
	"colakit/internal/command"
	"colakit/internal/synth"
)

func main() {
	os.Exit(command.Program{
		Name:  "colasynth",
		Short: "write a checkpoint of pseudo-random weights",
		Verbs: []command.Verb{{
			Args:  "(--released | --dit-config FILE --vae-config FILE) -o DIR",
			Short: "write a checkpoint of pseudo-random weights",
			Long: "The layout is that of the released checkpoint: DIR/cola_dlm/cola_dit, DIR/cola_dlm/cola_vae and,\n" +
				"with --tokenizer, DIR/tokenizer.json. The same flags give the same bytes. Nothing is overwritten.",
			Setup: setup,
		}},
	}.Main())
}

// flags are the values of the command line.
type flags struct {
	dit, vae, tokenizer, out, elements, shard string
	released                                  bool
	layers, blocks                            int
	seed                                      uint64
}

func setup(set *pflag.FlagSet) func(context.Context, command.Streams, []string) error {
	var f flags
	set.StringVarP(&f.out, "output", "o", "", "folder to write")
	set.BoolVar(&f.released, "released", false, "the released sizes: the class defaults with blocks of 16 latents")
	set.StringVar(&f.dit, "dit-config", "", "config.json of the prior")
	set.StringVar(&f.vae, "vae-config", "", "config.json of the VAE")
	set.IntVar(&f.layers, "layers", -1, "blocks of the prior, instead of the configuration's")
	set.IntVar(&f.blocks, "vae-blocks", -1, "blocks of the VAE's encoder and of its decoder, instead of the configuration's")
	set.StringVar(&f.elements, "dtype", "f32", "type of the weights: f32, bf16, f16 or f64")
	set.StringVar(&f.shard, "shard-size", "", "size of one file, as 500M or 2G; empty: one file per model")
	set.StringVar(&f.tokenizer, "tokenizer", "", "tokenizer.json to copy")
	set.Uint64Var(&f.seed, "seed", 1, "seed of the weights")
	return func(ctx context.Context, _ command.Streams, args []string) error {
		if len(args) > 0 {
			return fmt.Errorf("unexpected argument %q", args[0])
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
		return err
	}
	if o.ShardSize, err = parseSize(f.shard); err != nil {
		return err
	}
	if err := synth.WriteCheckpoint(ctx, f.out, cfg, o); err != nil || f.tokenizer == "" {
		return err
	}
	return copyFile(filepath.Join(f.out, "tokenizer.json"), f.tokenizer)
}
