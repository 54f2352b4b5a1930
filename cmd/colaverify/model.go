package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	"colakit/verify"
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

// model is an open artifact and how to compute it.
type model struct {
	file     *cola.File
	folder   string // temporary; "" for none
	cfg      hf.Config
	artifact verify.Artifact
	engine   string
	build    builder

	activations generate.Activations
	text        func([]int32) string
}

// open opens the artifact, or converts the embedded model to a temporary one.
func (r request) open(ctx context.Context) (*model, error) {
	m := &model{engine: r.engine, build: engines[r.engine]}
	if m.build == nil {
		return nil, fmt.Errorf("--engine: unknown engine %q; known: %s", r.engine, engineNames())
	}
	var err error
	if m.activations, err = generate.ParseActivations(r.activations); err != nil {
		return nil, fmt.Errorf("--activations: %w", err)
	}
	path := r.model
	if path == "" {
		if path, err = m.convertTiny(ctx); err != nil {
			return nil, errors.Join(err, m.Close())
		}
	}
	if err := m.load(path); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	if r.model == "" {
		m.artifact.Path = "of the embedded model"
	}
	return m, nil
}

func (m *model) convertTiny(ctx context.Context) (path string, err error) {
	if m.folder, err = os.MkdirTemp("", "colaverify-"); err != nil {
		return "", err
	}
	path = filepath.Join(m.folder, "tiny.cola")
	_, err = convert.FS(ctx, golden.Tiny(), path, convert.Options{Type: quantize.F32})
	return path, err
}

func (m *model) load(path string) (err error) {
	if m.file, err = cola.Open(path); err != nil {
		return err
	}
	meta, err := m.file.Meta()
	if err != nil {
		return err
	}
	if m.cfg, err = hf.ParseConfig(meta.DiTConfig, meta.VAEConfig); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	m.artifact = verify.Artifact{Path: path, Tensors: m.file.Descs(), DiT: meta.DiTConfig, VAE: meta.VAEConfig, Sources: sources(meta.Provenance)}
	if meta.Tokenizer == nil {
		return nil
	}
	tok, err := tokenizer.Parse(meta.Tokenizer)
	if err != nil {
		return fmt.Errorf("%s: tokenizer.json: %w", path, err)
	}
	m.text = func(ids []int32) string { return tok.Decode(ids, false) }
	return nil
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

func (m *model) Close() error {
	var errs []error
	if m.file != nil {
		errs = append(errs, m.file.Close())
	}
	if m.folder != "" {
		errs = append(errs, os.RemoveAll(m.folder))
	}
	return errors.Join(errs...)
}

// verify holds the model against the bundles, one after the other.
func (m *model) verify(ctx context.Context, bundles []bundle, progress func(label string, done, total int64)) (*verify.Suite, error) {
	var reports []*verify.Report
	for _, b := range bundles {
		r, err := m.verifyOne(ctx, b, func(label string, done, total int64) { progress(b.name+" "+label, done, total) })
		if err != nil {
			return nil, err
		}
		reports = append(reports, r)
	}
	return verify.NewSuite(reports...), nil
}

func (m *model) verifyOne(ctx context.Context, b bundle, progress func(string, int64, int64)) (r *verify.Report, err error) {
	contract, err := generate.ParseContract(b.Info.Contract)
	if err != nil {
		return nil, err
	}
	engine, err := m.build(m.file, m.cfg, contract, m.activations)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.artifact.Path, err)
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	return verify.Run(ctx, engine, b.Bundle, verify.Options{
		Name: b.name, Artifact: m.artifact, Text: m.text, Progress: progress,
		Engine: verify.EngineID{Name: m.engine, Precision: "float32"},
	})
}
