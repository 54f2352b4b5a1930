package main

import (
	"encoding/hex"
	"fmt"

	"colakit/cmd/internal/model"
	"colakit/internal/version"
	"colakit/verify"
)

// openState opens the file of --state for this run; nil without one.
func (r request) openState(m *candidate, bundles []model.Bundle) (*verify.State, error) {
	if r.state == "" {
		return nil, nil
	}
	id := verify.StateID{
		Program:  version.String,
		Artifact: m.File.Root().String(),
		Engine:   fmt.Sprintf("%s, %s activations", m.Verifier.Engine(), r.activations),
		Exact:    model.NoExact, Policy: verify.PolicySum(m.Options.Overrides), Selection: m.Options.Select.String(),
	}
	if m.Verifier.Exact != nil {
		id.Exact = m.Verifier.Exact.File.Root().String()
	}
	for _, b := range bundles {
		sum := b.Sum()
		id.Bundles = append(id.Bundles, hex.EncodeToString(sum[:]))
	}
	state, err := verify.OpenState(r.state, id)
	if err != nil {
		return nil, fmt.Errorf("--state: %w", err)
	}
	return state, nil
}
