package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"colakit/convert"
	"colakit/formats/cola"
	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/formats/tokenizer"
	"colakit/golden"
	"colakit/quantize"
	"colakit/reference"
	"colakit/reference/generate"
)

// A builder makes an engine that computes the model of a configuration.
type builder func(tensor.Source, hf.Config, generate.Contract, generate.Activations) (generate.Engine, error)

// engines are the ways to compute a model.
var engines = map[string]builder{
	"reference": func(src tensor.Source, cfg hf.Config, c generate.Contract, a generate.Activations) (generate.Engine, error) {
		return reference.New(src, cfg, reference.Options{Contract: c, Activations: a})
	},
}

func engineNames() string { return strings.Join(slices.Sorted(maps.Keys(engines)), ", ") }

// tinyName is what stands in place of a file for the embedded model.
const tinyName = "tiny"

// model is an open artifact with its tokenizer and an engine that computes it.
type model struct {
	file      *cola.File
	folder    string // temporary; "" for none
	tokenizer *tokenizer.Tokenizer
	engine    generate.Engine
}

// openModel opens the artifact that the request names, or converts the embedded
// model to a temporary one. Errors name the file.
func openModel(ctx context.Context, r *request) (*model, error) {
	build := engines[r.engine]
	if build == nil {
		return nil, fmt.Errorf("--engine: unknown engine %q; known: %s", r.engine, engineNames())
	}
	contract, err := generate.ParseContract(r.contract)
	if err != nil {
		return nil, fmt.Errorf("--contract: %w", err)
	}
	activations, err := generate.ParseActivations(r.activations)
	if err != nil {
		return nil, fmt.Errorf("--activations: %w", err)
	}
	m, path := &model{}, r.model
	if path == tinyName {
		path, err = m.convertTiny(ctx)
	}
	var cfg hf.Config
	if err == nil {
		cfg, err = m.load(path, r.tokenizer)
	}
	if err == nil {
		if m.engine, err = build(m.file, cfg, contract, activations); err != nil {
			err = fmt.Errorf("%s: %w", r.model, err)
		}
	}
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

func (m *model) convertTiny(ctx context.Context) (path string, err error) {
	if m.folder, err = os.MkdirTemp("", "cola-"); err != nil {
		return "", err
	}
	path = filepath.Join(m.folder, "tiny.cola")
	_, err = convert.FS(ctx, golden.Tiny(), path, convert.Options{Type: quantize.F32})
	return path, err
}

// load opens the artifact and reads its tokenizer and configuration.
func (m *model) load(path, tokenizer string) (cfg hf.Config, err error) {
	if m.file, err = cola.Open(path); err != nil {
		return cfg, err
	}
	meta, err := m.file.Meta()
	if err != nil {
		return cfg, err
	}
	if m.tokenizer, err = readTokenizer(tokenizer, path, meta.Tokenizer); err != nil {
		return cfg, err
	}
	if cfg, err = hf.ParseConfig(meta.DiTConfig, meta.VAEConfig); err != nil {
		return cfg, fmt.Errorf("%s: %w", path, err)
	}
	return cfg, nil
}

// heldTokenizer returns the tokenizer.json that a model holds, nil for none.
func heldTokenizer(model string) ([]byte, error) {
	if model == tinyName {
		return fs.ReadFile(golden.Tiny(), "tokenizer.json")
	}
	file, err := cola.Open(model)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	meta, err := file.Meta()
	return slices.Clone(meta.Tokenizer), err
}

// readTokenizer parses the file at path, or else what the artifact holds.
func readTokenizer(path, artifact string, held []byte) (*tokenizer.Tokenizer, error) {
	raw, name := held, artifact+": tokenizer.json"
	if path != "" {
		var err error
		if raw, err = os.ReadFile(path); err != nil {
			return nil, err
		}
		name = path
	}
	if raw == nil {
		return nil, fmt.Errorf("%s holds no tokenizer; name one with --tokenizer FILE", artifact)
	}
	t, err := tokenizer.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return t, nil
}

// Close releases what was opened, also after an error of openModel.
func (m *model) Close() error {
	var errs []error
	if m.engine != nil {
		errs = append(errs, m.engine.Close())
	}
	if m.file != nil {
		errs = append(errs, m.file.Close())
	}
	if m.folder != "" {
		errs = append(errs, os.RemoveAll(m.folder))
	}
	return errors.Join(errs...)
}
