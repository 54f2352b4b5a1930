package main

import (
	"context"
	"errors"
	"fmt"

	"colakit/cmd/internal/model"
	"colakit/formats/tokenizer"
	"colakit/reference/generate"
)

// computed is an open model with its tokenizer and an engine that computes it.
type computed struct {
	*model.Model
	tokenizer *tokenizer.Tokenizer
	engine    generate.Engine
}

// openModel opens the model that the request names, to be computed as chosen.
func openModel(ctx context.Context, r *request, choice model.Choice) (*computed, error) {
	contract, err := generate.ParseContract(r.contract)
	if err != nil {
		return nil, fmt.Errorf("--contract: %w", err)
	}
	activations, err := generate.ParseActivations(r.activations)
	if err != nil {
		return nil, fmt.Errorf("--activations: %w", err)
	}
	opened, err := model.Open(ctx, r.model)
	if err != nil {
		return nil, err
	}
	m := &computed{Model: opened}
	if m.tokenizer, err = r.readTokenizer(opened); err == nil {
		if m.engine, err = choice.Build(m.File, m.Config, contract, activations); err != nil {
			err = fmt.Errorf("%s: %w", r.model, err)
		}
	}
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// readTokenizer reads that of --tokenizer, or else what the model holds.
func (r *request) readTokenizer(m *model.Model) (*tokenizer.Tokenizer, error) {
	if r.tokenizer != "" {
		return model.ReadTokenizer(r.tokenizer)
	}
	return hinted(m.Tokenizer())
}

// hinted says what helps where a model holds no tokenizer.
func hinted(t *tokenizer.Tokenizer, err error) (*tokenizer.Tokenizer, error) {
	if errors.Is(err, model.ErrNoTokenizer) {
		err = fmt.Errorf("%w; name one with --tokenizer FILE", err)
	}
	return t, err
}

// Close releases what was opened.
func (m *computed) Close() error {
	if m.engine == nil {
		return m.Model.Close()
	}
	return errors.Join(m.engine.Close(), m.Model.Close())
}
