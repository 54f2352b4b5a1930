package model

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"colakit/formats/hf"
	"colakit/internal/command"
	"colakit/reference/generate"
	"colakit/verify"
)

// Verifier holds a model against golden bundles.
type Verifier struct {
	// Options are those of every Run; what describes the model, the engine and the
	// bundle is filled in.
	Options verify.Options

	model       *Model
	artifact    verify.Artifact
	choice      Choice
	activations generate.Activations
	// Contract that the model is computed under; nil: the bundle's.
	Contract *generate.Contract
	text     func([]int32) string
	// Exact, if set before Run, computes the exact values; see Model.Exact.
	Exact *Model
}

// Verifier returns one that computes the model by the chosen engine.
func (m *Model) Verifier(choice Choice, a generate.Activations) (*Verifier, error) {
	v := &Verifier{model: m, choice: choice, activations: a, artifact: verify.Artifact{
		Path: m.Name, Tensors: m.File.Descs(), DiT: m.Meta.DiTConfig, VAE: m.Meta.VAEConfig, Sources: sources(m.Meta.Provenance), Weights: m.File,
	}}
	if m.Name == Tiny {
		v.artifact.Path = "of the embedded model"
	}
	switch tok, err := m.Tokenizer(); {
	case errors.Is(err, ErrNoTokenizer):
	case err != nil:
		return nil, err
	default:
		v.text = func(ids []int32) string { return tok.Decode(ids, false) }
	}
	return v, nil
}

// Engine names what computes the model, and on which device.
func (v *Verifier) Engine() string { return v.choice.String() }

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

// Artifact describes the model.
func (v *Verifier) Artifact() verify.Artifact { return v.artifact }

// Text decodes token ids; nil where the model holds no tokenizer.
func (v *Verifier) Text() func(ids []int32) string { return v.text }

// Subject says what has to agree with a bundle.
func (v *Verifier) Subject() (Subject, error) {
	s := Subject{Path: v.artifact.Path, DiT: v.artifact.DiT, VAE: v.artifact.VAE}
	schedule, tabled, err := hf.FindSchedule(v.model.File)
	if err != nil {
		return s, fmt.Errorf("%s: %w", v.model.Name, err)
	}
	if tabled {
		s.Table = &schedule
	}
	return s, nil
}

// Run holds the model against one bundle, under the contract of the bundle. What was
// compared before the context ended it is returned together with the error.
func (v *Verifier) Run(ctx context.Context, b Bundle, progress func(label string, done, total int64)) (r *verify.Report, err error) {
	contract, err := generate.ParseContract(b.Info.Contract)
	if err != nil {
		return nil, err
	}
	if v.Contract != nil {
		contract = *v.Contract
	}
	engine, err := v.choice.Build(v.model.File, v.model.Config, contract, v.activations)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", v.model.Name, err)
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	o := v.Options
	o.Name, o.Artifact, o.Text, o.Progress = b.Name, v.artifact, v.text, progress
	o.Engine = v.choice.id()
	if v.Exact != nil {
		if o.Exact, err = v.Exact.exactEngine(); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, o.Exact.Close()) }()
	}
	return verify.Run(ctx, engine, b.Bundle, o)
}

// VerdictError turns a verdict into the error that stands for its exit code.
func VerdictError(suite *verify.Suite) error {
	for _, v := range []struct {
		verdict verify.Verdict
		err     error
	}{{verify.Fail, command.ErrWrong}, {verify.Incomplete, command.ErrIncomplete}} {
		if suite.Verdict != v.verdict {
			continue
		}
		for _, r := range suite.Reports {
			if r.Verdict == v.verdict {
				return fmt.Errorf("%s: %s: %w", r.Bundle.Name, r.Reason, v.err)
			}
		}
		return v.err
	}
	return nil
}
