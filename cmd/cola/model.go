package main

import (
	"context"
	"errors"
	"fmt"

	"colakit/cmd/internal/model"
	"colakit/formats/tokenizer"
	"colakit/kernels/engine"
	"colakit/reference/generate"
)

// computed is an open model with its tokenizer and an engine that computes it.
type computed struct {
	*model.Model
	tokenizer   *tokenizer.Tokenizer
	contract    generate.Contract
	activations generate.Activations
	engine      generate.Engine // nil until compute
}

// openModel opens the model that the request names, without an engine.
func openModel(ctx context.Context, r *request) (*computed, error) {
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
	m := &computed{Model: opened, contract: contract, activations: activations}
	if m.tokenizer, err = r.readTokenizer(opened); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// build makes the engine that was chosen.
func (m *computed) build(choice *model.Choice) (err error) {
	if m.engine, err = choice.Build(m.File, m.Config, m.contract, m.activations); err != nil {
		return fmt.Errorf("%s: %w", m.Name, err)
	}
	return nil
}

// extent returns the largest run that the request leads to.
func (r *request) extent(m *computed, j job, prompts []string) engine.Extent {
	x := engine.Extent{Batch: 1, NewTokens: r.options.MaxNewTokens}
	if len(j.records) > 0 {
		x.Batch = min(r.batch, len(j.records))
	}
	for _, rec := range j.records {
		prompts = append(prompts, rec.Prompt)
	}
	for _, text := range prompts {
		x.PromptTokens = max(x.PromptTokens, len(r.ids.tokens(m.tokenizer, text)))
	}
	return x
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
