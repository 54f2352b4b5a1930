package bench

import (
	"maps"
	"slices"

	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/formats/tensor"
)

// stepMatrices returns the prior's matrices, which every step reads whole. What AdaLN
// adds is computed once for a timestep, or read from a table.
func stepMatrices(s Subject) []tensor.Desc {
	reads := map[string]bool{}
	for _, e := range s.Config.DiT.Inventory() {
		reads[e.Name] = e.Class == hf.DiTProjection || e.Class == hf.LatentProjection
	}
	return slices.DeleteFunc(slices.Clone(s.Weights.Descs()), func(d tensor.Desc) bool { return !reads[d.Name] })
}

// stepBytes returns their size: as they are stored, or, on a device, where numbers
// have 16 bits.
func stepBytes(s Subject, onDevice bool) (int64, error) {
	total := int64(0)
	for _, d := range stepMatrices(s) {
		if onDevice && d.Type != dtype.I8 {
			d.Type = dtype.F16
		}
		bytes, err := d.Bytes()
		if err != nil {
			return 0, err
		}
		scales, err := d.ScaleBytes()
		if err != nil {
			return 0, err
		}
		total += bytes + scales
	}
	return total, nil
}

// stepTypes lists their element types.
func stepTypes(s Subject) ([]string, error) {
	types := map[string]bool{}
	for _, d := range stepMatrices(s) {
		types[d.Type.String()] = true
	}
	return slices.Sorted(maps.Keys(types)), nil
}
