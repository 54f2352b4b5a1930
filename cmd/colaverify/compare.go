package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/pflag"

	"colakit/cmd/internal/model"
	"colakit/golden"
	"colakit/internal/atomicfile"
	"colakit/internal/command"
	"colakit/internal/progress"
	"colakit/reference/generate"
	"colakit/verify"
	"colakit/verify/record"
)

func compareVerb() command.Verb {
	return command.Verb{
		Name:  "compare",
		Args:  "A B [PROMPT…]",
		Short: "compare two engines or artifacts with each other, operation by operation, without a golden bundle",
		Long: `Runs A, records every operation, and holds B against that as --layerwise does against a
recording of the Python package: isolated, free-running and in generation. A and B are
.cola files or tiny, the embedded model. Each comparison is judged by the rule for the
less precise of both sides; a tensor that is the same in both counts as not rounded.
Sides of different contracts are shown and not judged (exit code 4): no rule says how
far apart they may be.

The prompts stand after A and B or in --prompts; the embedded model has its own. With
--record the recording stays, a bundle for --golden.

  colaverify compare tiny model.cola
  colaverify compare f32.cola int8.cola --prompts prompts.jsonl --flow-steps 4 --json report.json
  colaverify compare model.cola model.cola --engine-b OTHER "Once upon a time"
  colaverify compare tiny tiny --contract-b released --level layers`,
		Setup: setupCompare,
	}
}

// comparison is what the flags of compare ask for.
type comparison struct {
	pair
	generation
	level    string
	record   string // folder that the recording of A stays in; "": none
	exact    string
	policy   string
	extent   extent
	progress string
	outputs  outputs
}

func setupCompare(set *pflag.FlagSet) func(context.Context, command.Streams, []string) error {
	c := comparison{}
	c.pair.flags(set)
	c.generation.flags(set)
	set.StringVar(&c.level, "level", "ops", "`LEVEL` of what is recorded of A: tokens, layers or ops")
	set.StringVar(&c.record, "record", "", "keep the recording of A in this `DIR`, which must be new or empty")
	set.StringVar(&c.exact, "exact", model.AutoExact, "`MODEL` whose float32 weights exact values are computed with, a file or tiny, to hold the errors of B against those of A; auto: A if it is float32 and not above 2^29 weights; none")
	set.StringVar(&c.policy, "policy", "", "replace limits as this `FILE` says, which gives a reason for each")
	c.extent.flags(set)
	c.outputs.flags(set)
	set.StringVar(&c.progress, "progress", "auto", "`MODE` of reports on stderr: auto (a bar on a terminal), bar, json (lines) or none")
	return func(ctx context.Context, s command.Streams, args []string) (err error) {
		if c.texts, err = c.take(args); err != nil {
			return err
		}
		return c.run(ctx, s)
	}
}

// levels are those of a recording.
var levels = []string{"tokens", "layers", "ops"}

func (c *comparison) check() error {
	if !slices.Contains(levels, c.level) {
		return fmt.Errorf("--level %q; known are tokens, layers and ops", c.level)
	}
	return c.outputs.check(
		atomicfile.Input{Path: c.names[0], Role: "the artifact A"}, atomicfile.Input{Path: c.names[1], Role: "the artifact B"},
		atomicfile.Input{Path: c.file, Role: "the file of --prompts"}, atomicfile.Input{Path: c.policy, Role: "the file of overrides"},
	)
}

func (c *comparison) run(ctx context.Context, s command.Streams) error {
	if err := c.check(); err != nil {
		return err
	}
	suite, err := c.compare(ctx, s)
	if suite == nil {
		return err
	}
	if err == nil {
		err = model.VerdictError(suite)
	}
	return errors.Join(err, c.outputs.write(s, suite))
}

func (c *comparison) compare(ctx context.Context, s command.Streams) (suite *verify.Suite, err error) {
	bar, err := progress.New(s.Err, "compare", c.progress)
	if err != nil {
		return nil, fmt.Errorf("--progress: %w", err)
	}
	defer bar.End()
	options, err := c.extent.options()
	if err != nil {
		return nil, err
	}
	if options.Overrides, err = overrides(c.policy); err != nil {
		return nil, err
	}
	a, b, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.close(), b.close()) }()
	if err := c.schedule(a, b); err != nil {
		return nil, err
	}
	dir, remove, err := c.folder()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, remove()) }()
	if options.Recorder, err = c.recordA(ctx, a, dir); err != nil {
		return nil, err
	}
	b.verifier.Options = options
	if b.verifier.Exact, err = c.exactModel(ctx, a); err != nil {
		return nil, err
	}
	if x := b.verifier.Exact; x != nil && x != a.Model {
		defer func() { err = errors.Join(err, x.Close()) }()
	}
	return c.hold(ctx, a, b, dir, bar)
}

// folder is where the recording goes, and what is done with it afterwards.
func (c *comparison) folder() (dir string, remove func() error, err error) {
	if c.record != "" {
		return c.record, func() error { return nil }, nil
	}
	temp, err := os.MkdirTemp("", "cola-compare-")
	return filepath.Join(temp, "a"), func() error { return os.RemoveAll(temp) }, err
}

// recordA runs A and writes down what it computes.
func (c *comparison) recordA(ctx context.Context, a *side, dir string) (r *verify.Recorder, err error) {
	run, noise, err := c.generation.run(a)
	if err != nil {
		return nil, err
	}
	run.Level = c.level
	e, err := a.engine()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	r = &verify.Recorder{Model: e.Model(), Artifact: a.verifier.Artifact()}
	if partial, ok := e.(generate.Partial); ok {
		r.Shows = partial.Shows
	}
	if err := record.Write(ctx, e, noise, run, dir); err != nil {
		return nil, fmt.Errorf("recording %s: %w", a, err)
	}
	return r, nil
}

// exactModel opens the weights of exact values: those of A, unless another model is
// named. nil: none.
func (c *comparison) exactModel(ctx context.Context, a *side) (*model.Model, error) {
	return a.Model.Exact(ctx, c.exact, []model.Bundle{{}})
}

// hold verifies B against the recording.
func (c *comparison) hold(ctx context.Context, a, b *side, dir string, bar *progress.Reporter) (suite *verify.Suite, err error) {
	recorded, err := golden.Open(dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, recorded.Close()) }()
	report, err := b.verifier.Run(ctx, model.Bundle{Name: a.String(), Bundle: recorded}, bar.Update)
	if report == nil {
		return nil, err
	}
	return verify.NewSuite(report), err
}
