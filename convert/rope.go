package convert

import (
	"fmt"
	"math"

	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/formats/safetensors"
	"colakit/formats/tensor"
)

// checkBuffers recomputes the rotary frequencies that the checkpoint stores and
// compares them.
func (c *checkpoint) checkBuffers(tensors []found) error {
	want := c.config.DiT.RopeFrequencies()
	for _, f := range tensors {
		if f.Class != hf.Buffer {
			continue
		}
		if err := checkRope(f, c.models[f.Model], want); err != nil {
			return fmt.Errorf("%s: %w", f.file.Path(), err)
		}
	}
	return nil
}

func checkRope(f found, folder *safetensors.Folder, want []float32) error {
	view, err := folder.Read(f.stored.Name)
	if err != nil {
		return err
	}
	got, err := view.Float64s()
	if err != nil {
		return err
	}
	for i, g := range got {
		if d := math.Abs(g - float64(want[i])); !(d <= ropeSlack(f.stored.Type, float64(want[i]))) {
			return tensor.Damagedf("tensor %q: rotary frequency %d is %v, want %v by config.json (rope_dim): the buffer is damaged or another model's",
				f.stored.Name, i, g, want[i])
		}
	}
	return nil
}

// ropeSlack is the distance from x that a frequency may have: it was computed in
// float32 by another library, whose power may be a unit in the last place off,
// and then rounded to type t, by half a unit of that.
func ropeSlack(t dtype.Type, x float64) float64 {
	const ulp32 = 0x1p-23
	switch t {
	case dtype.F16:
		return max(x*0x1p-11, 0x1p-25) + 2*ulp32*x // subnormal below 2⁻¹⁴
	case dtype.BF16:
		return x*0x1p-8 + 2*ulp32*x
	}
	return 2 * ulp32 * x
}
