package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"colakit/verify"
)

// extent is how much of the bundles is compared.
type extent struct {
	blocks, steps, branches, layers, ops, samples, rows string

	failFast bool
	maxTime  time.Duration
}

// flags declares the flags of the extent.
func (e *extent) flags(set *pflag.FlagSet) {
	set.StringVar(&e.blocks, "blocks", "", "compare these generated blocks alone: `LIST` of numbers and ranges such as 0-3,7")
	set.StringVar(&e.steps, "steps", "", "compare these flow-matching steps alone: `LIST` as for --blocks")
	set.StringVar(&e.branches, "branches", "", "compare these passes alone: `LIST` of "+strings.Join(verify.Passes, ", ")+" (the loop's own values)")
	set.StringVar(&e.layers, "layers", "", "compare these layers alone: `LIST` such as 3, 0-3 (of every section), dit.0-3, or encoder, dit, decoder, loop (all of it)")
	set.StringVar(&e.ops, "ops", "", "compare these operations alone: `LIST` of globs for their name within the layer (mlp.*) or their whole path, or of /regular expressions/ for the path")
	set.StringVar(&e.samples, "samples", "", "compare the rows of these prompts of the batch alone: `LIST` as for --blocks")
	set.StringVar(&e.rows, "rows", "", "compare `N[@SEED]` rows of each value alone, drawn at random, the same ones for the same seed")
	set.BoolVar(&e.failFast, "fail-fast", false, "stop at the first operation that fails, and at the first bundle")
	set.DurationVar(&e.maxTime, "max-time", 0, "stop after this `DURATION`, such as 90s or 10m, and report what was compared (exit code 4 unless something failed)")
}

// options reads the flags.
func (e *extent) options() (o verify.Options, err error) {
	s := &o.Select
	for _, f := range []struct {
		name string
		read func() error
	}{
		{"blocks", func() (err error) { s.Blocks, err = verify.ParseRanges(e.blocks); return err }},
		{"steps", func() (err error) { s.Steps, err = verify.ParseRanges(e.steps); return err }},
		{"branches", func() (err error) { s.Passes, err = verify.ParsePasses(e.branches); return err }},
		{"layers", func() (err error) { s.Layers, err = verify.ParseLayers(e.layers); return err }},
		{"ops", func() (err error) { s.Ops, err = verify.ParsePatterns(e.ops); return err }},
		{"samples", func() (err error) { s.Samples, err = verify.ParseRanges(e.samples); return err }},
		{"rows", func() (err error) { s.Rows, err = verify.ParseRows(e.rows); return err }},
	} {
		if err := f.read(); err != nil {
			return o, fmt.Errorf("--%s: %w", f.name, err)
		}
	}
	if e.maxTime < 0 {
		return o, fmt.Errorf("--max-time: %v is less than no time", e.maxTime)
	}
	o.FailFast, o.MaxTime = e.failFast, e.maxTime
	return o, nil
}
