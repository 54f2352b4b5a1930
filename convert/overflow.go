package convert

import (
	"context"
	"fmt"
	"math"
	"slices"

	"colakit/formats/tensor"
	"colakit/quantize"
)

// Overflow says what becomes of tensors that hold finite values beyond the range
// of the type they are planned in.
type Overflow string

// The ways. "" is OverflowFail.
const (
	OverflowFail  Overflow = "fail"  // an error
	OverflowBF16  Overflow = "bf16"  // such a tensor is bf16
	OverflowF32   Overflow = "f32"   // such a tensor is f32
	OverflowClamp Overflow = "clamp" // the type's largest value for those beyond it
)

// ParseOverflow returns the way of that name.
func ParseOverflow(name string) (Overflow, error) {
	all := []Overflow{OverflowFail, OverflowBF16, OverflowF32, OverflowClamp}
	if !slices.Contains(all, Overflow(name)) {
		return "", fmt.Errorf("unknown way %q with values beyond a type's range; known are fail, bf16, f32, clamp", name)
	}
	return Overflow(name), nil
}

// fallback returns the scheme that tensors with values beyond theirs fall back to.
func (o Overflow) fallback() (s quantize.Scheme, ok bool) {
	switch o {
	case OverflowBF16:
		return quantize.BF16, true
	case OverflowF32:
		return quantize.F32, true
	}
	return s, false
}

// ScanOptions say how the source is scanned.
type ScanOptions struct {
	Jobs      int   // as in ExecuteOptions
	MaxMemory int64 // as in ExecuteOptions
	Progress  func(Progress)
}

// Scan looks for values beyond the range of their types, where the options allow
// for any, and changes the plan accordingly; its size is exact afterwards. Only
// tensors that can hold such values are read. Execute scans by itself if nobody
// did before it.
func (c *Conversion) Scan(ctx context.Context, o ScanOptions) error {
	if c.scanned {
		return nil
	}
	steps := slices.DeleteFunc(c.allSteps(), func(i int) bool { return c.Steps[i].Action == Compute || !c.Steps[i].canOverflow() })
	tallies, err := c.tally(ctx, steps, o)
	if err != nil {
		return err
	}
	for _, i := range steps {
		if tallies[i].Overflow.Count > 0 {
			if err := c.allow(i, tallies[i]); err != nil {
				return err
			}
		}
	}
	c.scanned = true
	return c.arrange()
}

// canOverflow reports whether the source's type has values beyond the range of
// the artifact's.
func (s Step) canOverflow() bool {
	return s.cast().Largest() < (quantize.Cast{To: quantize.Scheme{Type: s.From}}).Largest()
}

// tally converts the tensors of some steps, to nowhere, and returns what was seen.
func (c *Conversion) tally(ctx context.Context, steps []int, o ScanOptions) ([]quantize.Tally, error) {
	m, err := c.Memory(o.Jobs, o.MaxMemory)
	if err != nil {
		return nil, err
	}
	src, err := c.openWeights()
	if err != nil {
		return nil, err
	}
	defer src.close()
	tallies := make([]quantize.Tally, len(c.Steps))
	p := Progress{Doing: "looking for overflow"}
	r := run{conversion: c, source: src}
	for _, i := range steps {
		for chunk := range c.layout[i].DataChunks() {
			r.tasks = append(r.tasks, task{step: i, chunk: chunk})
			p.Total += c.sourceBytes(i, chunk)
		}
	}
	r.take = func(t task, res *result) error {
		tallies[t.step].Add(res.tally)
		p.Done += c.sourceBytes(t.step, t.chunk)
		if o.Progress != nil {
			o.Progress(p)
		}
		step := c.Steps[t.step]
		return damaged(step, c.tensors[t.step].path(), res.tally)
	}
	return tallies, r.execute(ctx, m)
}

// tileBytes returns the bytes of the source that a tile is made of.
func (c *Conversion) sourceBytes(step, chunk int) int64 {
	_, n := c.layout[step].Elements(chunk)
	return n * int64(c.Steps[step].From.Size())
}

// allow changes a step so that it can hold the values that were seen.
func (c *Conversion) allow(i int, t quantize.Tally) error {
	s, seen := &c.Steps[i], t.Overflow
	values := fmt.Sprintf("%d beyond %v, the first %v at %v", seen.Count, s.cast().Largest(), seen.Value, coordinates(s.Shape, seen.Index))
	to, ok := c.Overflow.fallback()
	if !ok {
		if s.To.Quantized() {
			return fmt.Errorf("%s: tensor %q holds %s; what becomes codes is not clamped: let it fall back to another type, or choose f32 scales", c.tensors[i].path(), s.Source, values)
		}
		if largest := t.Figures().Largest; largest > math.MaxFloat32 {
			return fmt.Errorf("%s: tensor %q holds values up to %v, beyond those of f32: correct the checkpoint", c.tensors[i].file.Path(), s.Source, largest)
		}
		s.Clamped, s.Overflow = seen.Count, values
		return nil
	}
	wider := *s
	wider.To = to
	if largest := t.Figures().Largest; largest > wider.cast().Largest() {
		return fmt.Errorf("%s: tensor %q holds values up to %v, beyond %v, the largest value of %s",
			c.tensors[i].path(), s.Source, largest, wider.cast().Largest(), wider.narrowest())
	}
	instead := s.To
	wider.InsteadOf, wider.Overflow = &instead, values
	wider.Reason = fmt.Sprintf("%v instead of %v for overflow, as allowed", to, instead)
	c.Steps[i] = wider
	return c.Steps[i].settle()
}

// damaged returns an error if a tile holds what no artifact may.
func damaged(s Step, path string, t quantize.Tally) error {
	t.Overflow = quantize.Occurrence{}
	return unstorable(s, path, t)
}

// changed returns an error if other values are beyond the range than were planned.
func (s Step) changed(path string, t quantize.Tally) error {
	if s.Clamped != t.Overflow.Count {
		return tensor.Damagedf("%s: tensor %q holds %d values to clamp, %d were planned: the file changed", path, s.Source, t.Overflow.Count, s.Clamped)
	}
	return nil
}
