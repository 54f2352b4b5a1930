package selftest

import (
	"errors"
	"fmt"
	"strings"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
	"colakit/reference/generate"
	"colakit/verify/operation"
)

// This file computes operations otherwise, as package operation knows it.

// otherwise computes the values of sites in the way of an alternative, from what the
// run computed them from. Of several alternatives of the name the first counts whose
// words hold says. Where there is none, as in a pass without a cache, the value stays.
func otherwise(name, says string, sites func(generate.Site) bool) Injection {
	return spoils(Values{
		At:   sites,
		Keep: func(generate.Site) bool { return true },
		Spoil: func(p *Pass, s generate.Site, v tensor.View) (tensor.View, error) {
			c, err := operation.NewCall(p.Run, s, p.Weights, p.values)
			if errors.Is(err, tensor.ErrNotFound) {
				return v, nil
			}
			if err != nil {
				return v, err
			}
			alternative, ok := find(c, name, says)
			if !ok {
				return v, nil
			}
			got, err := operation.Evaluate(c, alternative)
			if err != nil {
				return v, err
			}
			if !got.Shape.Equal(v.Shape) {
				return v, fmt.Errorf("computed with shape %v, wanted %v", got.Shape, v.Shape)
			}
			return got.AsRun(v.Name), nil
		},
	})
}

// find returns the alternative of a call's own operation.
func find(c *operation.Call, name, says string) (operation.Alternative, bool) {
	for _, a := range c.Alternatives() {
		if a.Name == name && a.Part == c.Op().Path && strings.Contains(a.Says, says) {
			return a, true
		}
	}
	return operation.Alternative{}, false
}

// values looks up what the run went on with, else what the bundle holds.
func (p *Pass) values(name string) (operation.Input, bool, error) {
	in, recorded, err := operation.BundleValues(p.Bundle)(name)
	if v, kept := p.kept[name]; kept && err == nil {
		if !recorded {
			in.Run = held(v.Type)
		}
		in.View = v
		return in, true, nil
	}
	return in, recorded, err
}

// held is the type in which a run holds what an engine shows in type t.
func held(t dtype.Type) dtype.Type {
	if t == dtype.BF16 {
		return t
	}
	return dtype.F32
}
