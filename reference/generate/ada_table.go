package generate

import (
	"fmt"
	"slices"

	"colakit/formats/hf"
	"colakit/formats/tensor"
)

// FindSchedule returns the schedule of the AdaLN table in a source, nil for none. A
// table of another contract than the run's is an error.
func FindSchedule(src tensor.Source, contract Contract) (*hf.Schedule, error) {
	s, ok, err := hf.FindSchedule(src)
	switch {
	case err != nil || !ok:
		return nil, err
	case s.Contract != contract.String():
		return nil, fmt.Errorf("the model holds an AdaLN table for %v, and this run is under the %s contract: run under --contract %s, or convert the checkpoint with --ada-contract %s or --ada full",
			s, contract, s.Contract, contract)
	}
	return &s, nil
}

// ReadModulations reads the lines of the AdaLN table of a schedule, [steps+1, width],
// and the timesteps that they are for, as the model sees them under the contract.
func ReadModulations(src tensor.Source, s hf.Schedule, contract Contract, width int) (lines tensor.View, used []float32, err error) {
	given := Schedule(float64(s.T), s.Steps)
	times, err := tensor.ReadShaped(src, hf.AdaTimesteps, tensor.Shape{len(given)})
	if err != nil {
		return lines, nil, err
	}
	stored, err := times.Float32s()
	if err == nil && !slices.Equal(stored, given) {
		err = tensor.Damagedf("tensor %q does not hold the timesteps of %v", times.Name, s)
	}
	if err != nil {
		return lines, nil, err
	}
	lines, err = tensor.ReadShaped(src, hf.AdaModulations, tensor.Shape{len(given), width})
	return lines, TimestepsUsed(given, contract), err
}
