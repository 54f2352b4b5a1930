package reference

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/reference/generate"
)

// Modulations computes the AdaLN table of a schedule from a prior's weights, of
// which src need only hold those that the table stands in place of: the tensors that
// hf.AdaTimesteps and hf.AdaModulations name. The modulations have the bits that an
// engine with these weights computes under the schedule's contract. workers is the
// number of goroutines that compute, 0 for one per processor. One matrix at a time is
// read and dropped again.
func Modulations(ctx context.Context, src tensor.Source, cfg hf.DiTConfig, s hf.Schedule, workers int) ([]tensor.View, error) {
	if err := s.Validate(); err != nil {
		return nil, fmt.Errorf("reference: %w", err)
	}
	contract, err := generate.ParseContract(s.Contract)
	if err != nil {
		return nil, fmt.Errorf("reference: %w", err)
	}
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	given := generate.Schedule(float64(s.T), s.Steps)
	l := &loader[float32]{src: src, released: contract == generate.Released, workers: workers}
	p := &pass[float32]{ctx: ctx, workers: workers, released: l.released}
	var lines value[float32]
	err = guard("modulations", func() error {
		lines = modulations(l, p, cfg, generate.TimestepsUsed(given, contract))
		return errors.Join(l.err, p.err)
	})
	if err != nil {
		return nil, fmt.Errorf("reference: AdaLN table: %w", err)
	}
	return []tensor.View{
		tensor.FromFloat32s(hf.AdaTimesteps, tensor.Shape{len(given)}, given),
		viewOf(hf.AdaModulations, lines, tensor.Shape{lines.rows(), lines.cols()}),
	}, nil
}

// modulations returns the outputs of every AdaLN side by side, a line for each of
// the timesteps.
func modulations(l *loader[float32], p *pass[float32], cfg hf.DiTConfig, t []float32) value[float32] {
	lines := value[float32]{newMatrix[float32](len(t), cfg.ModulationWidth()), l.released}
	embedding := newTimestepEmbedding(l, cfg)
	if l.err != nil {
		return lines
	}
	active := silu(p, embedding.forward(p, sinusoid(p, t)))
	at := 0
	for _, m := range cfg.Modulations() {
		linear := l.linear(m.Module, m.Width, cfg.EmbDim, true)
		if l.err != nil || !p.alive() {
			break
		}
		out := linear.forward(p, active)
		for r := range t {
			copy(lines.row(r)[at:], out.row(r))
		}
		at += m.Width
	}
	return lines
}

// findSchedule returns the schedule of the AdaLN table in a source, nil for none.
// The contract is that of the run.
func findSchedule(src tensor.Source, contract generate.Contract) (*hf.Schedule, error) {
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

// newTabled returns the conditioner that an AdaLN table stands for: it knows the
// lines of its timesteps, and computes none.
func newTabled[T number](l *loader[T], cfg hf.DiTConfig) *conditioner[T] {
	c := &conditioner[T]{line: map[uint64]int{}}
	for _, m := range cfg.Modulations() {
		c.widths = append(c.widths, m.Width)
	}
	c.lines = make([][]T, len(c.widths))
	contract := generate.Exact
	if l.released {
		contract = generate.Released
	}
	given := generate.Schedule(float64(l.schedule.T), l.schedule.Steps)
	values := l.tableValues(given, c.width())
	for i, at := range generate.TimestepsUsed(given, contract) {
		if l.err != nil {
			break
		}
		c.line[bits(T(at))] = i // timesteps that are rounded to the same one have the same line
		rest := values[i*c.width():]
		for k, w := range c.widths {
			c.lines[k] = append(c.lines[k], rest[:w]...)
			rest = rest[w:]
		}
	}
	return c
}

// tableValues reads the modulations [len(given), width] of the timesteps given.
func (l *loader[T]) tableValues(given []float32, width int) []T {
	times, ok := l.read(hf.AdaTimesteps, len(given))
	if !ok {
		return nil
	}
	stored, err := times.Float32s()
	if err == nil && !slices.Equal(stored, given) {
		err = tensor.Damagedf("tensor %q does not hold the timesteps of %v", times.Name, l.schedule)
	}
	l.err = err
	view, ok := l.read(hf.AdaModulations, len(given), width)
	if !ok {
		return nil
	}
	values, err := floats[T](view)
	l.err = err
	return values
}
