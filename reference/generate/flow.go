package generate

import (
	"fmt"

	"colakit/formats/dtype"
	"colakit/internal/torch"
)

// Schedule returns the steps+1 timesteps from T, cut to an integer, down to 0:
// torch.linspace(int(T), 0, steps+1) in float32.
func Schedule(T float64, steps int) []float32 {
	return torch.Linspace(float32(int(T)), 0, steps+1)
}

// TimestepsUsed returns the timesteps as the model sees them: rounded to bfloat16
// under Released. The width of a step always comes from the unrounded ones.
func TimestepsUsed(t []float32, c Contract) []float32 {
	used := make([]float32, len(t))
	round := c.rounding()
	for i, v := range t {
		used[i] = round(v)
	}
	return used
}

// GuidanceScales returns the guidance of every sample in a block. The first
// block's scales are values of the run's own type: rounded under Released.
func GuidanceScales(layouts []Layout, guidance float64, block int, c Contract) []float32 {
	scales := make([]float32, len(layouts))
	round := c.rounding()
	for i, l := range layouts {
		scales[i] = float32(guidance)
		if block == 0 {
			scales[i] = round(float32(l.FirstGuidance(guidance)))
		}
	}
	return scales
}

// Guide combines the branches into v = s·(cond − uncond) + uncond, with one scale
// per sample; the branches hold equally many values of each. Every operation is
// rounded to float32, under Released to bfloat16.
func Guide(cond, uncond, scales []float32, c Contract) ([]float32, error) {
	if len(cond) != len(uncond) || len(scales) == 0 || len(cond)%len(scales) != 0 {
		return nil, fmt.Errorf("guidance of %d conditional and %d unconditional values for %d samples", len(cond), len(uncond), len(scales))
	}
	v := make([]float32, len(cond))
	each := len(cond) / len(scales)
	round := c.rounding()
	for i := range v {
		difference := round(cond[i] - uncond[i])
		v[i] = round(round(scales[i/each]*difference) + uncond[i])
	}
	return v, nil
}

// StepWidth returns (t − next)/max(T, 1), computed in float64 and rounded once.
func StepWidth(t, next float32, T float64) float32 {
	return float32((float64(t) - float64(next)) / max(T, 1))
}

// EulerStep moves z along the velocity by the step width, in place: z − v·width.
// The product is rounded to bfloat16 under Released; z stays float32.
func EulerStep(z, v []float32, width float32, c Contract) error {
	if len(z) != len(v) {
		return fmt.Errorf("a step of %d latent values by %d velocities", len(z), len(v))
	}
	round := c.rounding()
	for i := range z {
		z[i] -= round(v[i] * width)
	}
	return nil
}

// rounding returns the rounding of one operation's float32 result.
func (c Contract) rounding() func(float32) float32 {
	if c == Released {
		return dtype.RoundBF16
	}
	// A conversion keeps the compiler from fusing the operation with the next.
	return func(v float32) float32 { return float32(v) }
}
