package model

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/kernels/emulated"
	"colakit/kernels/engine"
	"colakit/reference"
	"colakit/reference/generate"
)

// Builder makes an engine that computes the model of a configuration.
type Builder func(tensor.Source, hf.Config, generate.Contract, generate.Activations) (generate.Engine, error)

// engines are the ways to compute a model.
var engines = map[string]Builder{
	DefaultEngine: func(src tensor.Source, cfg hf.Config, c generate.Contract, a generate.Activations) (generate.Engine, error) {
		return reference.New(src, cfg, reference.Options{Contract: c, Activations: a})
	},
	"emulated": func(src tensor.Source, cfg hf.Config, c generate.Contract, a generate.Activations) (generate.Engine, error) {
		d, err := emulated.Open(emulated.Options{})
		if err != nil {
			return nil, err
		}
		return engine.New(src, cfg, d, engine.Options{Contract: c, Activations: a})
	},
}

// DefaultEngine is the engine that every build has.
const DefaultEngine = "reference"

// Engine returns the builder of that name.
func Engine(name string) (Builder, error) {
	if build := engines[name]; build != nil {
		return build, nil
	}
	return nil, fmt.Errorf("unknown engine %q; known: %s", name, EngineNames())
}

// EngineNames lists the names that Engine knows.
func EngineNames() string { return strings.Join(slices.Sorted(maps.Keys(engines)), ", ") }
