package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"colakit/cmd/internal/model"
	"colakit/formats/tensor"
	"colakit/internal/atomicfile"
	"colakit/internal/command"
	"colakit/verify"
)

func replayVerb() command.Verb {
	return command.Verb{
		Name:  "replay",
		Args:  "FILE",
		Short: "compute a failing operation anew, from the file that --replay-out wrote",
		Long: `FILE holds one operation that failed: its inputs as the golden has them, the weights that
were used and some of the same shapes, the golden's value and the candidate's. The
operation is computed anew in float64: as the model defines it, and in other ways in which
implementations go wrong. What matches is printed, with figures and the worst elements.
Neither engine nor bundle is needed.

With --weights, those of another artifact take the place of the recorded ones, and what
they give that of the candidate: does a new conversion mend it? The code is 1 as long as
the candidate is not the golden's value.

  colaverify --layerwise model.cola --golden bundles/mine --replay-out failing.safetensors
  colaverify replay failing.safetensors
  colaverify replay failing.safetensors --weights converted-again.cola`,
		Setup: setupReplay,
	}
}

// replayRequest is what the flags of replay ask for.
type replayRequest struct {
	file    string
	weights string // artifact; "": the recorded ones
	json    bool
}

func setupReplay(set *pflag.FlagSet) func(context.Context, command.Streams, []string) error {
	var r replayRequest
	set.StringVar(&r.weights, "weights", "", "use the weights of this `MODEL.cola`, or those of the embedded model: tiny")
	set.BoolVar(&r.json, "json", false, "print the result as JSON")
	return func(ctx context.Context, s command.Streams, args []string) (err error) {
		if r.file, err = command.One(args, "FILE"); err != nil {
			return err
		}
		return r.run(ctx, s)
	}
}

func (r replayRequest) run(ctx context.Context, s command.Streams) (err error) {
	replay, err := verify.OpenReplay(r.file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, replay.Close()) }()
	var weights tensor.Source
	if r.weights != "" {
		m, err := model.Open(ctx, r.weights)
		if err != nil {
			return fmt.Errorf("--weights: %w", err)
		}
		defer m.Close()
		weights = m.File
	}
	result, err := replay.Run(ctx, weights)
	if err != nil {
		return fmt.Errorf("%s: %w", r.file, err)
	}
	if r.json {
		err = result.WriteJSON(s.Out)
	} else {
		err = result.WriteText(s.Out, textOptions(s.Out, false))
	}
	if result.Verdict == verify.Fail {
		err = errors.Join(err, fmt.Errorf("%s: the candidate's value is not the golden's: %w", result.Name, command.ErrWrong))
	}
	return err
}

// replayOut writes the first failing operation of a suite to a file.
type replayOut struct {
	path string // "": none is written
	of   string // the bundle whose operation was written
	err  error
}

// check refuses a file that can't be written or is read.
func (o *replayOut) check(inputs ...atomicfile.Input) error {
	if o.path == "" {
		return nil
	}
	if err := atomicfile.Check(o.path, inputs...); err != nil {
		return fmt.Errorf("--replay-out: %w", err)
	}
	return nil
}

// option returns what a run is to do with its replay. A file that can't be written
// is reported at the end: the comparison goes on.
func (o *replayOut) option() func(*verify.Replay) error {
	if o.path == "" {
		return nil
	}
	return func(r *verify.Replay) error {
		if o.of != "" || o.err != nil {
			return nil
		}
		if o.err = r.WriteFile(o.path); o.err == nil {
			o.of = r.Bundle
		} else {
			o.err = fmt.Errorf("--replay-out: %w", o.err)
		}
		return nil
	}
}

// tell says on stderr what was written, or why nothing was.
func (o *replayOut) tell(s command.Streams) error {
	switch {
	case o.path == "" || o.err != nil:
		return o.err
	case o.of == "":
		fmt.Fprintf(s.Err, "colaverify: --replay-out: no operation failed by itself; %s was not written\n", o.path)
	default:
		fmt.Fprintf(s.Err, "colaverify: %s holds the failing operation of %s; look at it with: colaverify replay %s\n", o.path, o.of, o.path)
	}
	return nil
}
