package convert

import (
	"cmp"
	"fmt"

	"colakit/formats/tensor"
	"colakit/quantize"
)

// unstorable returns an error if a tile holds elements that can't be stored.
func unstorable(s Step, path string, t quantize.Tally) error {
	at := func(o quantize.Occurrence) string {
		return fmt.Sprintf("%s: tensor %q: element %v", path, cmp.Or(s.Source, s.Tensor), coordinates(s.Shape, o.Index))
	}
	switch {
	case t.NaN.Count > 0:
		return tensor.Damagedf("%s is NaN: the checkpoint is damaged or its training diverged", at(t.NaN))
	case t.Inf.Count > 0:
		return tensor.Damagedf("%s is %v: the checkpoint is damaged or its training diverged", at(t.Inf), t.Inf.Value)
	case t.Overflow.Count > 0 && s.Clamped == 0:
		return fmt.Errorf("%s is %v, beyond %v, the largest value of %s", at(t.Overflow), t.Overflow.Value, s.cast().Largest(), s.narrowest())
	}
	return nil
}

// narrowest says which type bounds the elements, and what can be done.
func (s Step) narrowest() string {
	if c := s.cast(); s.Load != nil && c.Largest() < (quantize.Cast{To: s.To}).Largest() {
		return fmt.Sprintf("%v, which config.json loads it as: correct its dtype", c.Load)
	}
	if s.To == quantize.F16 {
		return "f16: convert to bf16 or f32, or say by --overflow what becomes of such tensors"
	}
	return fmt.Sprintf("%v: convert to f32, or say by --overflow what becomes of such tensors", s.To)
}

// coordinates returns the index in every dimension of a row-major element number.
func coordinates(shape tensor.Shape, index int64) tensor.Shape {
	at := make(tensor.Shape, len(shape))
	for i := len(shape) - 1; i >= 0; i-- {
		if shape[i] > 0 {
			at[i] = int(index % int64(shape[i]))
			index /= int64(shape[i])
		}
	}
	return at
}
