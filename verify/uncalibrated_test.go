package verify

import (
	"testing"

	"colakit/reference/generate"
)

func TestUncalibrated(t *testing.T) {
	of := func(m Mode, c generate.Contract, calibrated bool) *Comparison {
		return &Comparison{Calibrated: calibrated, facts: Facts{Mode: m, Contract: c}}
	}
	for c, want := range map[*Comparison]bool{
		of(Generation, generate.Released, false): true, of(Generation, generate.Released, true): false,
		of(Generation, generate.Exact, false): false, of(Free, generate.Released, false): false,
	} {
		if c.uncalibrated() != want {
			t.Errorf("%+v: uncalibrated %v, want %v", c.facts, c.uncalibrated(), want)
		}
	}
}
