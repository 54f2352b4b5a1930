package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"

	"github.com/spf13/pflag"

	"colakit/cmd/internal/model"
	"colakit/internal/atomicfile"
	"colakit/internal/command"
	"colakit/internal/progress"
	"colakit/verify/selftest"
)

func selftestVerb() command.Verb {
	return command.Verb{
		Name:  "selftest",
		Short: "verify the verifier: inject faults that must be caught, and variations that must pass",
		Long: `Runs the verifier on the embedded model with one fault injected at a time: a transposed
matrix, a bit of the artifact flipped, a cache off by one, guidance in another precision.
Each must be caught, and located at the right operation; and faultless variations, such
as another order of summation or weights of 8 bits, must pass. The exit code is 0 only
if all of it is right.

  colaverify selftest
  colaverify selftest --only 'rotary|cache' --json -
  colaverify selftest --list
  colaverify selftest --model f32.cola --only tensors`,
		Setup: setupSelftest,
	}
}

// trials is what the flags ask for.
type trials struct {
	engine   model.EngineFlags
	model    string
	only     string
	json     string
	list     bool
	jobs     int
	progress string
}

func setupSelftest(set *pflag.FlagSet) func(context.Context, command.Streams, []string) error {
	t := trials{}
	t.engine.Declare(set, "is compared with itself, with faults")
	set.StringVar(&t.model, "model", model.Tiny, "inject into the float32 artifact `FILE`, a small one; tiny for the embedded model with its recorded bundles")
	set.StringVar(&t.only, "only", "", "run the cases whose name, or group, matches this `REGEX`")
	set.StringVar(&t.json, "json", "", "write the results as JSON to this `FILE`; - for the standard output, and nothing else there")
	set.BoolVar(&t.list, "list", false, "print the cases, and run none")
	set.IntVar(&t.jobs, "jobs", 0, "run `N` cases at the same time; 0: one per processor")
	set.StringVar(&t.progress, "progress", "auto", "`MODE` of reports on stderr: auto (a bar on a terminal), bar, json (lines) or none")
	return func(ctx context.Context, s command.Streams, args []string) error {
		if _, err := command.Arguments(args); err != nil {
			return err
		}
		return t.run(ctx, s)
	}
}

func (t trials) run(ctx context.Context, s command.Streams) error {
	m, err := t.open(ctx)
	if err != nil {
		return err
	}
	if m != nil {
		defer m.Close()
	}
	cases, err := t.cases(m)
	if err != nil {
		return err
	}
	if t.list {
		return selftest.WriteList(s.Out, cases)
	}
	if t.jobs < 0 {
		return fmt.Errorf("--jobs %d; wanted 0 (one per processor) or more", t.jobs)
	}
	if t.json != "" && t.json != standardOutput {
		if err := atomicfile.Check(t.json); err != nil {
			return fmt.Errorf("--json: %w", err)
		}
	}
	report, err := t.test(ctx, s, m, cases)
	if err != nil {
		return err
	}
	if err := t.write(s, report); err != nil {
		return err
	}
	if !report.Right {
		return fmt.Errorf("%s: %w", report, command.ErrWrong)
	}
	return nil
}

// open opens the model of --model; nil for the embedded one.
func (t trials) open(ctx context.Context) (*model.Model, error) {
	if t.model == model.Tiny {
		return nil, nil
	}
	m, err := model.Open(ctx, t.model)
	if err != nil {
		return nil, fmt.Errorf("--model: %w", err)
	}
	if err := m.Unrounded(); err != nil {
		return nil, errors.Join(fmt.Errorf("--model: %w", err), m.Close())
	}
	return m, nil
}

// cases selects those of the catalogue that are asked for.
func (t trials) cases(m *model.Model) ([]selftest.Case, error) {
	wanted, err := regexp.Compile(t.only)
	if err != nil {
		return nil, fmt.Errorf("--only: %w", err)
	}
	all := selftest.Catalogue()
	if m != nil {
		all = selftest.General(m.Config)
	}
	cases := slices.DeleteFunc(all, func(c selftest.Case) bool {
		return !wanted.MatchString(c.Name) && !wanted.MatchString(string(c.Group))
	})
	if len(cases) == 0 {
		return nil, fmt.Errorf("--only %q matches no case; --list prints them", t.only)
	}
	return cases, nil
}

func (t trials) test(ctx context.Context, s command.Streams, m *model.Model, cases []selftest.Case) (*selftest.Report, error) {
	bar, err := progress.New(s.Err, "selftest", t.progress)
	if err != nil {
		return nil, fmt.Errorf("--progress: %w", err)
	}
	defer bar.End()
	bar.Count("cases")
	choice, err := t.engine.Choose()
	if err != nil {
		return nil, err
	}
	done := int64(0)
	o := selftest.Options{
		Engine: choice.Name, Build: model.SelfTest(choice), Modulations: model.Modulations, Reference: model.Reference, Jobs: t.jobs,
		Done: func(r selftest.Result) {
			done++
			bar.Update(r.Name, done, int64(len(cases)))
		},
	}
	if m != nil {
		o.Model = &selftest.Model{Name: m.Name, Weights: m.File, DiT: m.Meta.DiTConfig, VAE: m.Meta.VAEConfig}
	}
	return selftest.Run(ctx, cases, o)
}

func (t trials) write(s command.Streams, r *selftest.Report) error {
	switch t.json {
	case standardOutput:
		return r.WriteJSON(s.Out)
	case "":
	default:
		if err := atomicfile.Write(t.json, func(w io.Writer) error { return r.WriteJSON(w) }); err != nil {
			return fmt.Errorf("--json: %w", err)
		}
	}
	return r.WriteTable(s.Out, tableWidth(s.Out))
}

// tableWidth is that of a terminal; 0 elsewhere, where nothing is cut.
func tableWidth(out io.Writer) int {
	if o := textOptions(out, false); !o.Whole {
		return o.Width
	}
	return 0
}
