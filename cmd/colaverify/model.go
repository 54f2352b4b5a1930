package main

import (
	"context"
	"errors"
	"fmt"
	"time"

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
	choice, err := r.engine.Choose()
	if err != nil {
		return nil, err
	}
	activations, err := generate.ParseActivations(r.activations)
	if err != nil {
		return nil, fmt.Errorf("--activations: %w", err)
	}
	options, err := r.extent.options()
	if err != nil {
		return nil, err
	}
	if options.Overrides, err = overrides(r.policy); err != nil {
		return nil, err
	}
	m, err := model.Open(ctx, r.model)
	if err != nil {
		return nil, err
	}
	v, err := m.Verifier(choice, activations)
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	v.Options = options
	v.Options.Replay = r.replay.option()
	return &candidate{m, v}, nil
}

// verify holds the model against the bundles, one after the other, as long as there
// is time. Where the context ends that, the suite holds what was compared before.
func (c *candidate) verify(ctx context.Context, bundles []model.Bundle, progress func(label string, done, total int64)) (*verify.Suite, error) {
	start, most := time.Now(), c.Options.MaxTime
	var reports []*verify.Report
	var left []verify.Incompatible
	var nothing error
	for _, b := range bundles {
		if most > 0 {
			c.Options.MaxTime = max(most-time.Since(start), 1)
		}
		r, err := c.Run(ctx, b, func(label string, done, total int64) { progress(b.Name+" "+label, done, total) })
		if errors.Is(err, verify.ErrNothingSelected) && len(bundles) > 1 {
			left, nothing = append(left, verify.Incompatible{Bundle: b.Name, Reason: err.Error()}), err
			continue
		}
		if r != nil {
			reports = append(reports, r)
		}
		if err != nil {
			return suiteOf(reports, left), err
		}
		if c.Options.FailFast && r.Verdict == verify.Fail {
			break
		}
	}
	if len(reports) == 0 {
		return nil, nothing
	}
	return suiteOf(reports, left), nil
}

// suiteOf returns nil for no reports.
func suiteOf(reports []*verify.Report, left []verify.Incompatible) *verify.Suite {
	if len(reports) == 0 {
		return nil
	}
	suite := verify.NewSuite(reports...)
	suite.Incompatible = left
	return suite
}
