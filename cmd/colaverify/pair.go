package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"colakit/cmd/internal/model"
	"colakit/internal/command"
	"colakit/reference/generate"
	"colakit/verify"
)

// pair is what the flags say about the two sides of a comparison.
type pair struct {
	names       [2]string
	engine      [3]string // of A, of B, of both
	devices     model.EngineFlags
	contract    [3]string
	activations [3]string
}

// flags declares them, for both sides and for each.
func (p *pair) flags(set *pflag.FlagSet) {
	for _, f := range []struct {
		values   *[3]string
		name     string
		standard string
		usage    string
	}{
		{&p.engine, "engine", model.DefaultEngine, "`ENGINE` that computes both models: " + model.EngineNames()},
		{&p.contract, "contract", generate.Exact.String(), "`CONTRACT` of both: exact or released"},
		{&p.activations, "activations", generate.FloatActivations.String(), "`TYPE` of what int8 weights are multiplied by on both sides: float or int8"},
	} {
		set.StringVar(&f.values[2], f.name, f.standard, f.usage)
		_, what, _ := strings.Cut(f.usage, "`")
		what, _, _ = strings.Cut(what, "`")
		set.StringVar(&f.values[0], f.name+"-a", "", "`"+what+"` of A alone, in place of --"+f.name)
		set.StringVar(&f.values[1], f.name+"-b", "", "`"+what+"` of B alone, in place of --"+f.name)
	}
	p.devices.DeclareMemory(set)
}

// take names the sides by the first arguments; the rest are prompts.
func (p *pair) take(args []string) (rest []string, err error) {
	if len(args) > 2 {
		args, rest = args[:2], args[2:]
	}
	if args, err = command.Arguments(args, "A", "B"); err != nil {
		return nil, err
	}
	p.names = [2]string{args[0], args[1]}
	return rest, nil
}

// side is one model and what computes it.
type side struct {
	*model.Model
	verifier    *model.Verifier
	choice      model.Choice
	contract    generate.Contract
	activations generate.Activations
}

// open opens both sides, which have to be the same model.
func (p *pair) open(ctx context.Context) (a, b *side, err error) {
	if a, err = p.openSide(ctx, 0); err != nil {
		return nil, nil, err
	}
	if b, err = p.openSide(ctx, 1); err == nil {
		err = alike(a, b)
	}
	if err != nil {
		return nil, nil, errors.Join(err, a.close(), b.close())
	}
	return a, b, nil
}

// alike returns an error unless the configurations agree.
func alike(a, b *side) error {
	differ, err := verify.ConfigDifferences(b.Meta.DiTConfig, b.Meta.VAEConfig, a.Meta.DiTConfig, a.Meta.VAEConfig)
	if err == nil && len(differ) > 0 {
		err = fmt.Errorf("%s is another model than %s: %s", b.Name, a.Name, differ[0])
	}
	return err
}

func (p *pair) openSide(ctx context.Context, i int) (*side, error) {
	pick := func(values [3]string) string {
		if values[i] != "" {
			return values[i]
		}
		return values[2]
	}
	s := &side{}
	var err error
	if s.choice, err = p.devices.For(pick(p.engine)).Choose(); err != nil {
		return nil, err
	}
	if s.contract, err = generate.ParseContract(pick(p.contract)); err != nil {
		return nil, fmt.Errorf("--contract: %w", err)
	}
	if s.activations, err = generate.ParseActivations(pick(p.activations)); err != nil {
		return nil, fmt.Errorf("--activations: %w", err)
	}
	if s.Model, err = model.Open(ctx, p.names[i]); err != nil {
		return nil, err
	}
	if s.verifier, err = s.Verifier(s.choice, s.activations); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.verifier.Contract = &s.contract
	return s, nil
}

// close releases what was opened; nil is nothing.
func (s *side) close() error {
	if s == nil {
		return nil
	}
	return s.Close()
}

// engine builds the engine that computes the side's model.
func (s *side) engine() (generate.Engine, error) {
	e, err := s.choice.Build(s.File, s.Config, s.contract, s.activations)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	return e, nil
}

// String says what runs: "model.cola on reference, exact".
func (s *side) String() string {
	text := fmt.Sprintf("%s on %s, %s", s.Name, s.choice, s.contract)
	if s.activations == generate.Int8Activations {
		text += ", int8 activations"
	}
	return text
}
