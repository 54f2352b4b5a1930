package reference

import (
	"context"
	"errors"
	"fmt"
	"runtime"

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

// newTabled returns the conditioner that an AdaLN table stands for: it knows the
// lines of its timesteps, and computes none.
func newTabled[T number](l *loader[T], cfg hf.DiTConfig) *conditioner[T] {
	c := &conditioner[T]{line: map[uint64]int{}}
	for _, m := range cfg.Modulations() {
		c.widths = append(c.widths, m.Width)
	}
	c.lines = make([][]T, len(c.widths))
	values, used := l.modulations(c.width())
	for i, at := range used {
		c.line[bits(T(at))] = i // timesteps that are rounded to the same one have the same line
		rest := values[i*c.width():]
		for k, w := range c.widths {
			c.lines[k] = append(c.lines[k], rest[:w]...)
			rest = rest[w:]
		}
	}
	return c
}

// modulations reads the lines of the table, of so many elements each, and their
// timesteps; nothing after an error.
func (l *loader[T]) modulations(width int) (values []T, used []float32) {
	if l.err != nil {
		return nil, nil
	}
	contract := generate.Exact
	if l.released {
		contract = generate.Released
	}
	view, used, err := generate.ReadModulations(l.src, *l.schedule, contract, width)
	if err == nil {
		values, err = floats[T](view)
	}
	if l.err = err; err != nil {
		return nil, nil
	}
	return values, used
}
