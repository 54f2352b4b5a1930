package model

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/reference"
	"colakit/reference/generate"
	"colakit/verify"
)

// Words for what --exact names beside a file or Tiny.
const (
	AutoExact = "auto"
	NoExact   = "none"
)

// mostExact is the number of elements up to which exact values are computed unasked:
// in float64 they take 4 GiB.
const mostExact = 1 << 29

// Exact opens the weights that exact values are computed with in float64, to hold
// the errors of both sides against: those of the file or of Tiny, or, for AutoExact,
// those that the golden was most likely made from: the embedded model's for an
// embedded bundle, else the artifact's own where they are not rounded and not too
// large. nil: none. The caller closes it, if it is not m itself.
func (m *Model) Exact(ctx context.Context, name string, bundles []Bundle) (*Model, error) {
	switch name {
	case NoExact:
		return nil, nil
	case AutoExact:
		if slices.ContainsFunc(bundles, func(b Bundle) bool { return !b.Embedded }) {
			if m.Unrounded() != nil || m.elements() > mostExact {
				return nil, nil
			}
			return m, nil
		}
		name = Tiny
	}
	x := m
	if name != m.Name {
		var err error
		if x, err = Open(ctx, name); err != nil {
			return nil, fmt.Errorf("--exact: %w", err)
		}
	}
	err := x.Unrounded()
	if err == nil {
		err = x.sameAs(m)
	}
	if err != nil && x != m {
		err = errors.Join(err, x.Close())
	}
	if err != nil {
		return nil, fmt.Errorf("--exact: %w", err)
	}
	return x, nil
}

// Unrounded returns an error unless the model holds its weights as they were made.
func (m *Model) Unrounded() error {
	for _, d := range m.File.Descs() {
		switch {
		case d.Name == hf.AdaModulations:
			return fmt.Errorf("%s holds an AdaLN table in place of weights; exact values need the weights: convert without --ada table", m.Name)
		case d.Type != dtype.F32 && d.Type != dtype.F64:
			return fmt.Errorf("%s holds %s as %v; exact values need the weights that the golden was made from: convert the checkpoint with --type f32", m.Name, d.Name, d.Type)
		}
	}
	return nil
}

func (m *Model) elements() int64 {
	n := int64(0)
	for _, d := range m.File.Descs() {
		each, _ := d.Shape.Elements()
		n += each
	}
	return n
}

// sameAs returns an error unless the configurations agree.
func (m *Model) sameAs(other *Model) error {
	differ, err := verify.ConfigDifferences(m.Meta.DiTConfig, m.Meta.VAEConfig, other.Meta.DiTConfig, other.Meta.VAEConfig)
	if err == nil && len(differ) > 0 {
		err = fmt.Errorf("%s is another model than %s: %s", m.Name, other.Name, differ[0])
	}
	return err
}

// exactEngine computes the model in float64.
func (m *Model) exactEngine() (generate.Engine, error) {
	e, err := reference.New(m.File, m.Config, reference.Options{Float64: true})
	if err != nil {
		return nil, fmt.Errorf("exact values: %s: %w", m.Name, err)
	}
	return e, nil
}
