package model

import (
	"context"
	"errors"
	"fmt"

	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/reference"
	"colakit/reference/generate"
	"colakit/verify/selftest"
)

// SelfTest returns the chosen builder for self-tests of the verifier: the reference
// with every setting, another engine with those it has.
func SelfTest(choice Choice) selftest.Builder {
	if choice.Name != DefaultEngine {
		return plainly(func(src tensor.Source, cfg hf.Config, c generate.Contract, a generate.Activations) (generate.Engine, error) {
			own := choice // engines are built at the same time
			return own.Build(src, cfg, c, a)
		})
	}
	return Reference
}

// Reference is the builder of the reference, for self-tests.
func Reference(src tensor.Source, cfg hf.Config, s selftest.Setting) (generate.Engine, error) {
	return reference.New(src, cfg, reference.Options{Contract: s.Contract, Activations: s.Activations, Float64: s.Float64, Workers: s.Workers})
}

// plainly builds engines that know contract and activations alone.
func plainly(build Builder) selftest.Builder {
	return func(src tensor.Source, cfg hf.Config, s selftest.Setting) (generate.Engine, error) {
		if s.Float64 || s.Workers > 1 {
			return nil, fmt.Errorf("float64 or several workers: %w", errors.ErrUnsupported)
		}
		return build(src, cfg, s.Contract, s.Activations)
	}
}

// Modulations computes AdaLN tables on one processor.
func Modulations(ctx context.Context, weights tensor.Source, cfg hf.DiTConfig, s hf.Schedule) ([]tensor.View, error) {
	return reference.Modulations(ctx, weights, cfg, s, 1)
}
