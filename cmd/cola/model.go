package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"colakit/formats/cola"
	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/formats/tokenizer"
	"colakit/reference"
	"colakit/reference/generate"
)

// A builder makes an engine that computes the model of a configuration.
type builder func(tensor.Source, hf.Config, generate.Contract) (generate.Engine, error)

// engines are the ways to compute a model.
var engines = map[string]builder{
	"reference": func(src tensor.Source, cfg hf.Config, c generate.Contract) (generate.Engine, error) {
		return reference.New(src, cfg, reference.Options{Contract: c})
	},
}

func engineNames() string { return strings.Join(slices.Sorted(maps.Keys(engines)), ", ") }

// model is an open model with its tokenizer and an engine that computes it.
type model struct {
	source    tensor.Source
	tokenizer *tokenizer.Tokenizer
	engine    generate.Engine
}

// openModel opens what the request names. The error names the file.
func openModel(r *request) (*model, error) {
	build := engines[r.engine]
	if build == nil {
		return nil, fmt.Errorf("unknown engine %q; known: %s", r.engine, engineNames())
	}
	contract, err := generate.ParseContract(r.contract)
	if err != nil {
		return nil, err
	}
	source, meta, err := openSource(r.model)
	if err != nil {
		return nil, err
	}
	m := &model{source: source}
	if m.tokenizer, err = readTokenizer(r.tokenizer, r.model, meta.Tokenizer); err == nil {
		m.engine, err = buildEngine(build, source, meta, contract)
	}
	if err != nil {
		return nil, errors.Join(err, source.Close())
	}
	return m, nil
}

func openSource(name string) (tensor.Source, cola.Meta, error) {
	if name == tinyName {
		return openTiny()
	}
	file, err := cola.Open(name)
	if err != nil {
		return nil, cola.Meta{}, err
	}
	meta, err := file.Meta()
	if err != nil {
		return nil, meta, errors.Join(err, file.Close())
	}
	return file, meta, nil
}

// readTokenizer parses the file at path, or else what the model holds.
func readTokenizer(path, model string, held []byte) (*tokenizer.Tokenizer, error) {
	raw, name := held, model+": tokenizer.json"
	if path != "" {
		var err error
		if raw, err = os.ReadFile(path); err != nil {
			return nil, err
		}
		name = path
	}
	if raw == nil {
		return nil, fmt.Errorf("%s holds no tokenizer; name one with --tokenizer FILE", model)
	}
	t, err := tokenizer.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return t, nil
}

func buildEngine(build builder, source tensor.Source, meta cola.Meta, c generate.Contract) (generate.Engine, error) {
	cfg, err := hf.ParseConfig(meta.DiTConfig, meta.VAEConfig)
	if err != nil {
		return nil, err
	}
	return build(source, cfg, c)
}

func (m *model) Close() error { return errors.Join(m.engine.Close(), m.source.Close()) }
