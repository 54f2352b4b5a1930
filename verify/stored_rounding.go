package verify

import (
	"fmt"
	"math"

	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/reference/generate"
	"colakit/verify/catalog"
)

// mostRounding is how many times the error that rounding makes of a weight may be
// there and still be called rounding. Rounding to nearest leaves each element an error
// that is uniform within half a step; cutting leaves twice its rms.
const mostRounding = 1.5

// roundingTimes returns the rms of a difference at the operation's value in units of
// the one that rounding its weight W [n, k] to the stored type makes of the inputs
// x [R, k]: Σ (golden − truth)² over Σ_j (Σ_r x_rj²)·(Σ_i step_ij²/12), its root. ok is
// false where that can't be told: of several operations, or of rounded activations.
func (i *investigation) roundingTimes(square float64, channels int) (times float64, ok bool) {
	op := i.call.Op()
	if op.Kind != catalog.Product || len(i.call.Parts()) != 1 || len(op.Tensors) != 1 || i.call.Run.Activations != generate.FloatActivations {
		return 0, false
	}
	in, given := i.call.Inputs[op.Inputs[0]]
	w, err := i.call.Weights.Read(hf.Module(op.Tensors[0]).Weight())
	if !given || err != nil || len(w.Shape) != 2 || w.Shape[0] != channels {
		return 0, false
	}
	x, err := in.View.Float64s()
	if err != nil || len(x)%w.Shape[1] != 0 {
		return 0, false
	}
	steps, err := squaredSteps(w, i.call.Run.Contract)
	if err != nil {
		return 0, false
	}
	expected := 0.0
	for k, v := range x {
		expected += v * v * steps[k%len(steps)] / 12
	}
	return math.Sqrt(square / expected), true
}

// notRounding says why a difference is none of rounded weights.
func notRounding(stored dtype.Type, times float64) string {
	if math.IsInf(times, 1) {
		return fmt.Sprintf(" It is no rounding of weights that are stored as %v, because the run rounds them to that itself: they were not rounded to nearest, or are others.", stored)
	}
	return fmt.Sprintf(" It is %s times what rounding makes of weights that are stored as %v: they were not rounded to nearest, or are others.", short(times), stored)
}

// squaredSteps returns, for each column of a weight, the sum of the squared distances
// between neighbouring numbers of its type at its elements: scales of codes, units in
// the last place of floats; 0 for those that the contract's own rounding makes.
func squaredSteps(w tensor.View, c generate.Contract) ([]float64, error) {
	values, err := w.Float64s()
	if err != nil {
		return nil, err
	}
	cols := w.Shape[1]
	sums := make([]float64, cols)
	if w.Type == dtype.BF16 && c == generate.Released {
		return sums, nil
	}
	for at, v := range values {
		step := 0.0
		switch w.Type {
		case dtype.I8:
			groups := w.Quantization.ScalesPerRow(cols)
			step = float64(w.Quantization.At(w.Scales, at/cols*groups+at%cols/w.Quantization.Width(cols)))
		case dtype.F16:
			step = math.Ldexp(1, max(exponent(v), -14)-10)
		case dtype.BF16:
			step = math.Ldexp(1, max(exponent(v), -126)-7)
		}
		sums[at%cols] += step * step
	}
	return sums, nil
}

// exponent is that of v = 1.xxx·2^e; that of the smallest numbers for 0.
func exponent(v float64) int {
	if v == 0 {
		return math.MinInt16
	}
	return math.Ilogb(v)
}
