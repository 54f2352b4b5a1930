package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"colakit/cmd/internal/model"
	"colakit/internal/command"
	"colakit/internal/progress"
	"colakit/reference/generate"
	"colakit/verify"
)

func layerwiseVerb() command.Verb {
	return command.Verb{
		Args:  "--layerwise [MODEL.cola|tiny] [--golden BUNDLE]",
		Short: "compare every operation of a run with a golden bundle",
		Long: `Runs the model as the bundle's Python run did and compares every recorded value:
isolated (each operation is fed the golden's own inputs, so that the one that fails is
the one that is wrong), free-running (each pass is fed the golden's latents) and in
generation (only prompts and noise are the golden's). The policy says how much error
each may have; the report names the first operation that has more, the tensors it uses
and what the failures have in common.

Without MODEL.cola, or with tiny, the embedded tiny model is converted and verified; without --golden
all embedded bundles are used that hold a run of the model. golden/export.py writes
bundles of other models.

Every part of a selection narrows it down; the verdict holds for what was selected. The
inputs of what is compared are the golden's all the same, and no pass is computed that
nothing selected depends on.

  colaverify --layerwise
  colaverify --layerwise model.cola --golden bundles/mine --json report.json --junit report.xml
  colaverify --layerwise model.cola --golden bundles/mine --blocks 0 --steps 0-3 --branches cond
  colaverify --layerwise model.cola --golden bundles/mine --layers dit.17 --ops 'msa.*,mlp.out' --rows 64@7
  colaverify --layerwise model.cola --golden bundles/mine --fail-fast --max-time 10m
  colaverify --layerwise model.cola --golden bundles/mine --state run.state   (again: goes on)`,
		Setup: setupLayerwise,
	}
}

// request is what the flags ask for.
type request struct {
	layerwise bool
	model     string // a file, or model.Tiny
	golden    string // "": the embedded ones
	engine    model.EngineFlags
	contract  string // "": the bundle's

	exact       string
	activations string
	extent      extent
	policy      string // file of overrides; "": none
	state       string // file; "": none
	progress    string
	outputs     outputs
	replay      *replayOut
}

func setupLayerwise(set *pflag.FlagSet) func(context.Context, command.Streams, []string) error {
	r := request{model: model.Tiny, replay: &replayOut{}}
	set.BoolVar(&r.layerwise, "layerwise", false, "compare operation by operation")
	set.StringVar(&r.golden, "golden", "", "`DIR` of the golden bundle, or the name of an embedded one")
	r.engine.Declare(set, "computes the model")
	set.StringVar(&r.contract, "contract", "", "use bundles of this `CONTRACT` only: exact or released (default: the bundle's own)")
	set.StringVar(&r.activations, "activations", generate.FloatActivations.String(), "`TYPE` of what int8 weights are multiplied by: float, or int8, each token quantised as it comes; rules of its own judge that")
	r.extent.flags(set)
	set.StringVar(&r.policy, "policy", "", "replace limits as this `FILE` says, which gives a reason for each; colaverify policy --template prints one")
	set.StringVar(&r.exact, "exact", model.AutoExact, "`MODEL` whose float32 weights the golden was made from, a file or tiny: exact values are computed with them beside the run, and the candidate's error is held against the golden's own; "+
		"auto: tiny for embedded bundles, else the artifact itself if it is float32 and not above 2^29 weights; none")
	set.StringVar(&r.state, "state", "", "keep in this `FILE` what is compared, pass by pass, and go on from there when the same run is started again after it was interrupted")
	r.outputs.flags(set)
	set.StringVar(&r.replay.path, "replay-out", "", "write the first failing operation, with its inputs, weights and both values, to this `FILE` for colaverify replay")
	set.StringVar(&r.progress, "progress", "auto", "`MODE` of reports on stderr: auto (a bar on a terminal), bar, json (lines) or none")
	return func(ctx context.Context, s command.Streams, args []string) error {
		switch {
		case !r.layerwise && len(args) == 0 && set.NFlag() == 0:
			return pflag.ErrHelp
		case !r.layerwise && len(args) > 0:
			return fmt.Errorf("%q is no command; to compare an artifact operation by operation: colaverify --layerwise %s", args[0], args[0])
		case !r.layerwise:
			return errors.New("nothing to do; --layerwise compares operation by operation")
		case len(args) > 1:
			return fmt.Errorf("%d arguments; wanted one MODEL.cola, or none for the embedded model", len(args))
		case len(args) == 1:
			r.model = args[0]
		}
		return r.run(ctx, s)
	}
}

func (r request) run(ctx context.Context, s command.Streams) error {
	if err := r.checkOutputs(); err != nil {
		return err
	}
	suite, err := r.verify(ctx, s)
	if suite == nil {
		return err
	}
	if err == nil {
		err = model.VerdictError(suite)
	}
	return errors.Join(err, r.outputs.write(s, suite), r.replay.tell(s))
}

// verify opens bundles and model, compares them and closes them.
func (r request) verify(ctx context.Context, s command.Streams) (suite *verify.Suite, err error) {
	bar, err := progress.New(s.Err, "verify", r.progress)
	if err != nil {
		return nil, fmt.Errorf("--progress: %w", err)
	}
	defer bar.End()
	bundles, err := r.bundles()
	if err != nil {
		return nil, err
	}
	defer model.CloseBundles(bundles)
	m, err := r.open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	bundles, incompatible, err := r.matching(bundles, m)
	if err != nil {
		return nil, err
	}
	exact, err := m.Model.Exact(ctx, r.exact, bundles)
	if err != nil {
		return nil, err
	}
	if exact != nil && exact != m.Model {
		defer func() { err = errors.Join(err, exact.Close()) }()
	}
	m.Verifier.Exact = exact
	state, err := r.openState(m, bundles)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, state.Close()) }()
	m.Options.State = state
	suite, err = m.verify(ctx, bundles, bar.Update)
	if suite != nil {
		suite.Incompatible = append(incompatible, suite.Incompatible...)
	}
	return suite, err
}
