package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"colakit/cmd/internal/model"
	"colakit/reference/generate"
	"colakit/verify"
)

// candidate is an open model and how to compute it.
type candidate struct {
	*model.Model
	artifact verify.Artifact
	engine   string
	build    model.Builder

	activations generate.Activations
	text        func([]int32) string
}

// open opens the model that the request names.
func (r request) open(ctx context.Context) (*candidate, error) {
	c := &candidate{engine: r.engine}
	var err error
	if c.build, err = model.Engine(r.engine); err != nil {
		return nil, fmt.Errorf("--engine: %w", err)
	}
	if c.activations, err = generate.ParseActivations(r.activations); err != nil {
		return nil, fmt.Errorf("--activations: %w", err)
	}
	if c.Model, err = model.Open(ctx, r.model); err != nil {
		return nil, err
	}
	if err := c.describe(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// describe fills in what a report says of the artifact, and how its texts are read.
func (c *candidate) describe() error {
	meta := c.Meta
	c.artifact = verify.Artifact{Path: c.Name, Tensors: c.File.Descs(), DiT: meta.DiTConfig, VAE: meta.VAEConfig, Sources: sources(meta.Provenance)}
	if c.Name == model.Tiny {
		c.artifact.Path = "of the embedded model"
	}
	switch tok, err := c.Tokenizer(); {
	case errors.Is(err, model.ErrNoTokenizer):
		return nil
	case err != nil:
		return err
	default:
		c.text = func(ids []int32) string { return tok.Decode(ids, false) }
		return nil
	}
}

// sources returns the sha256 of the files that the artifact was made of, as far as
// its provenance states them.
func sources(provenance []byte) map[string]string {
	var p struct {
		Sources []struct {
			File   string `json:"file"`
			SHA256 string `json:"sha256"`
		} `json:"sources"`
	}
	sums := map[string]string{}
	if json.Unmarshal(provenance, &p) == nil {
		for _, s := range p.Sources {
			if s.SHA256 != "" {
				sums[s.File] = s.SHA256
			}
		}
	}
	return sums
}

// verify holds the model against the bundles, one after the other.
func (c *candidate) verify(ctx context.Context, bundles []bundle, progress func(label string, done, total int64)) (*verify.Suite, error) {
	var reports []*verify.Report
	for _, b := range bundles {
		r, err := c.verifyOne(ctx, b, func(label string, done, total int64) { progress(b.name+" "+label, done, total) })
		if err != nil {
			return nil, err
		}
		reports = append(reports, r)
	}
	return verify.NewSuite(reports...), nil
}

func (c *candidate) verifyOne(ctx context.Context, b bundle, progress func(string, int64, int64)) (r *verify.Report, err error) {
	contract, err := generate.ParseContract(b.Info.Contract)
	if err != nil {
		return nil, err
	}
	engine, err := c.build(c.File, c.Config, contract, c.activations)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Name, err)
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	return verify.Run(ctx, engine, b.Bundle, verify.Options{
		Name: b.name, Artifact: c.artifact, Text: c.text, Progress: progress,
		Engine: verify.EngineID{Name: c.engine, Precision: "float32"},
	})
}
