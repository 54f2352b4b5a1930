package verify

import (
	"fmt"
	"slices"
	"strings"

	"colakit/formats/dtype"
	"colakit/verify/operation"
)

// weight returns the elements of a tensor of the operation; false where it cannot be
// read.
func (i *investigation) weight(name string) ([]float64, bool) {
	v, err := i.call.Weights.Read(name)
	if err != nil {
		return nil, false
	}
	values, err := v.Float64s()
	return values, err == nil
}

// narrowed says that a float32 matrix of the operation holds numbers of a 16-bit type
// alone: it went through that type on the way. "" where none does.
func (i *investigation) narrowed() string {
	for _, t := range i.call.Tensors() {
		if t.Type != dtype.F32 || len(t.Shape) < 2 {
			continue
		}
		values, ok := i.weight(t.Name)
		if !ok {
			continue
		}
		if typ := narrowestOf(values); typ != dtype.F32 {
			return fmt.Sprintf(" Every element of %s is a number of %v although it is stored as f32: it was rounded or cut to that type on the way.", t.Name, typ)
		}
	}
	return ""
}

// narrowestOf returns the first of bf16 and f16 that holds all of the numbers, of
// which some differ; f32 where neither does.
func narrowestOf(values []float64) dtype.Type {
	bf16, f16, varied := true, true, false
	for _, x := range values {
		v := float32(x)
		bf16 = bf16 && dtype.RoundBF16(v) == v
		f16 = f16 && dtype.F16ToFloat32(dtype.Float32ToF16(v)) == v
		varied = varied || x != values[0]
	}
	switch {
	case bf16 && varied:
		return dtype.BF16
	case f16 && varied:
		return dtype.F16
	}
	return dtype.F32
}

// emptyBias names a bias of the operation that is 0 throughout; "" where none is.
func (i *investigation) emptyBias() string {
	for _, t := range i.call.Tensors() {
		if !strings.HasSuffix(t.Name, ".bias") {
			continue
		}
		values, ok := i.weight(t.Name)
		if ok && !slices.ContainsFunc(values, func(x float64) bool { return x != 0 }) {
			return fmt.Sprintf(" %s is 0 throughout: was it read?", t.Name)
		}
	}
	return ""
}

// rowsAlike reports whether all rows of a value are the same, as what depends on a
// single timestep is: whatever differs then differs alike in each.
func rowsAlike(v operation.Value) bool {
	channels := v.Shape[len(v.Shape)-1]
	for at := channels; at < len(v.Data); at++ {
		if v.Data[at] != v.Data[at-channels] {
			return false
		}
	}
	return true
}
