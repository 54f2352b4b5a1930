package main

import (
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"colakit/convert"
	"colakit/internal/atomicfile"
	"colakit/internal/command"
	"colakit/internal/units"
	"colakit/quantize"
	"colakit/quantize/int8"
)

// optionFlags are the flags that say what is converted, and how: those of a plan.
type optionFlags struct {
	convert.Options
	set                                  *pflag.FlagSet
	kind, overflow, clip, recipe, maxRSS string
	rules                                []string
	jobs                                 int
	memory                               int64 // of maxRSS
}

func (f *optionFlags) declare(set *pflag.FlagSet) {
	f.set = set
	set.StringVar(&f.kind, "type", "f32", "`TYPE` of all matrices: f32, f16 or bf16; or that of the matrices of attention and MLP: int8 (a scale for each output channel), int8-g32, int8-g64, int8-g128 (for each group of inputs), the other matrices being f16; vectors keep f32")
	set.StringArrayVar(&f.rules, "rule", nil, "`REGEX=TYPE` for tensors whose native name matches; repeatable, the first that matches decides, --type where none does")
	set.StringVar(&f.clip, "clip", "none", "`HOW` scales of int8 are chosen: none (nothing is clipped) or mse (by the least squared error)")
	set.StringVar(&f.overflow, "overflow", "fail", "`WAY` with tensors that hold values beyond their type: fail, bf16 or f32 (the tensor falls back to it) or clamp; other than fail takes a pass over the source")
	set.StringVar(&f.recipe, "recipe", "", "`FILE` with a plan to follow again: what plan --json or inspect --json printed, perhaps edited, or an artifact; in place of --type, --rule, --clip and --overflow")
	set.StringVar(&f.Tokenizer, "tokenizer", "", "tokenizer.json `FILE`, instead of the one that lies with the checkpoint")
	set.BoolVar(&f.NoTokenizer, "no-tokenizer", false, "convert without a tokenizer")
	set.BoolVar(&f.SHA256, "sha256", false, "note SHA-256 of the source files, too, the ids of Hugging Face's storage; takes a second reading")
	set.IntVar(&f.jobs, "jobs", 0, "`N` workers; 0: one per processor")
	set.StringVar(&f.maxRSS, "max-rss", "", "`SIZE` that the memory stays below, as 100MB: fewer workers and tiles where it is small, an error where it is too small; 300MB and the tables of the files if not given")
}

// parse reads what the flags say into the options.
func (f *optionFlags) parse(args []string) (err error) {
	if f.Source, err = command.One(args, "SRC"); err != nil {
		return err
	}
	if f.jobs < 0 {
		return fmt.Errorf("--jobs %d: want a number of workers, or 0", f.jobs)
	}
	if f.maxRSS != "" {
		if f.memory, err = units.ParseBytes(f.maxRSS); err != nil {
			return fmt.Errorf("--max-rss: %w", err)
		}
	}
	if f.recipe != "" {
		return f.parseRecipe()
	}
	if f.Overflow, err = convert.ParseOverflow(f.overflow); err != nil {
		return fmt.Errorf("--overflow: %w", err)
	}
	return f.parseSchemes()
}

// checkOutput refuses an output that is the file of --recipe; Execute knows those of
// the source.
func (f *optionFlags) checkOutput(out string) error {
	if f.recipe == "" {
		return nil
	}
	return atomicfile.Check(out, atomicfile.Input{Path: f.recipe, Role: "the file of --recipe"})
}

func (f *optionFlags) parseRecipe() (err error) {
	for _, name := range []string{"type", "rule", "clip", "overflow"} {
		if f.set.Changed(name) {
			return fmt.Errorf("--recipe decides what --%s would: give one of the two", name)
		}
	}
	f.Recipe, err = convert.ReadRecipe(f.recipe)
	return err
}

func (f *optionFlags) parseSchemes() (err error) {
	if f.Type, err = quantize.ParseScheme(f.kind); err != nil {
		return fmt.Errorf("--type: %w", err)
	}
	for _, text := range f.rules {
		rule, err := quantize.ParseRule(text)
		if err != nil {
			return fmt.Errorf("--rule: %w", err)
		}
		f.Rules = append(f.Rules, rule)
	}
	clip, err := int8.ParseClip(f.clip)
	if err != nil {
		return fmt.Errorf("--clip: %w", err)
	}
	if clip == int8.AbsMax {
		return nil
	}
	quantized := f.Type.Quantized()
	f.Type = f.Type.Clipped(clip)
	for i, rule := range f.Rules {
		quantized = quantized || rule.To.Quantized()
		f.Rules[i].To = rule.To.Clipped(clip)
	}
	if !quantized {
		return errors.New("--clip: nothing is stored as int8; say so by --type or --rule")
	}
	return nil
}
