package main

import (
	"errors"
	"fmt"

	"colakit/cmd/internal/model"
	"colakit/reference/generate"
	"colakit/verify"
)

// bundles opens the bundle that is asked for, or all embedded ones.
func (r request) bundles() ([]model.Bundle, error) {
	if r.contract != "" {
		if _, err := generate.ParseContract(r.contract); err != nil {
			return nil, fmt.Errorf("--contract: %w", err)
		}
	}
	if r.golden == "" {
		return model.EmbeddedBundles()
	}
	b, err := model.OpenBundle(r.golden)
	if err != nil {
		return nil, fmt.Errorf("--golden: %w", err)
	}
	return []model.Bundle{b}, nil
}

// matching returns the bundles that hold a run of the model under the contract
// that is asked for. A bundle that was named has to; of the embedded ones at least
// one has to. Bundles of other schedules than that of the model's AdaLN table are
// incompatible: they were looked at, and it says why they could not be compared with.
func (r request) matching(bundles []model.Bundle, m *candidate) (fit []model.Bundle, incompatible []verify.Incompatible, err error) {
	subject, err := m.Subject()
	if err != nil {
		return nil, nil, err
	}
	var why error
	for _, b := range bundles {
		err := b.Fits(subject)
		var other *model.OtherSchedule
		scheduled := !errors.As(err, &other)
		switch {
		case errors.Is(err, model.ErrOtherModel):
			why = err
		case err != nil && scheduled:
			return nil, nil, err
		case r.contract != "" && b.Info.Contract != r.contract:
			why = fmt.Errorf("--contract %s: bundle %s holds a run of the %s contract, and the policy has no rule for a pair of different contracts; leave the flag out, or export a bundle with --contract %s",
				r.contract, b.Name, b.Info.Contract, r.contract)
		case !scheduled:
			incompatible = append(incompatible, verify.Incompatible{Bundle: b.Name, Reason: other.Reason})
			why = err
		default:
			fit = append(fit, b)
		}
	}
	if len(fit) == 0 {
		return nil, nil, why
	}
	return fit, incompatible, nil
}
