package main

import (
	"context"
	"errors"
	"fmt"

	"colakit/cmd/internal/model"
	"colakit/reference/generate"
	"colakit/verify"
)

// candidate is an open model and how it is held against bundles.
type candidate struct {
	*model.Model
	*model.Verifier
}

// open opens the model that the request names.
func (r request) open(ctx context.Context) (*candidate, error) {
	build, err := model.Engine(r.engine)
	if err != nil {
		return nil, fmt.Errorf("--engine: %w", err)
	}
	activations, err := generate.ParseActivations(r.activations)
	if err != nil {
		return nil, fmt.Errorf("--activations: %w", err)
	}
	m, err := model.Open(ctx, r.model)
	if err != nil {
		return nil, err
	}
	v, err := m.Verifier(r.engine, build, activations)
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return &candidate{m, v}, nil
}

// verify holds the model against the bundles, one after the other.
func (c *candidate) verify(ctx context.Context, bundles []model.Bundle, progress func(label string, done, total int64)) (*verify.Suite, error) {
	var reports []*verify.Report
	for _, b := range bundles {
		r, err := c.Run(ctx, b, func(label string, done, total int64) { progress(b.Name+" "+label, done, total) })
		if err != nil {
			return nil, err
		}
		reports = append(reports, r)
	}
	return verify.NewSuite(reports...), nil
}
