package operation

import "math"

// modulated returns norm·(1 + scale) + shift. 1 + scale is rounded as the scale is
// held, the rest is float32.
func (e *evaluation) modulated(f *form, norm, shift, scale matrix) matrix {
	if e.err != nil {
		return matrix{}
	}
	if f.modulation.exchanged {
		shift, scale = scale, shift
	}
	round := unrounded
	if scale.bf16 {
		round = f.step
	}
	y := newMatrix(norm.rows, norm.cols)
	for i, x := range norm.data {
		factor, add := round(f.one+f.modulation.scale*scale.data[i]), f.shift*shift.data[i]
		if f.shiftFirst {
			y.data[i] = (x + add) * factor
		} else {
			y.data[i] = x*factor + add
		}
	}
	return f.hold(y, norm.bf16 && shift.bf16)
}

// gated returns branch·gate + residual; product and sum are rounded.
func (e *evaluation) gated(f *form, residual, branch, gate matrix) matrix {
	if e.err != nil {
		return matrix{}
	}
	y := newMatrix(branch.rows, branch.cols)
	y.bf16 = branch.bf16 && gate.bf16
	for i, x := range branch.data {
		y.data[i] = x * (f.gateOne + f.gate*gate.data[i])
		if y.bf16 {
			y.data[i] = f.step(y.data[i])
		}
	}
	return e.sum(f, residual, y)
}

// sum returns residual + branch in the wider of their types.
func (e *evaluation) sum(f *form, residual, branch matrix) matrix {
	if e.err != nil {
		return matrix{}
	}
	y := newMatrix(branch.rows, branch.cols)
	for i, x := range branch.data {
		y.data[i] = f.residual*residual.data[i] + f.branch*x
	}
	return f.hold(y, residual.bf16 && branch.bf16)
}

// scaled returns (mode − shift)·scale in float32; each step is rounded as the mode
// is held.
func (e *evaluation) scaled(f *form, mode matrix, shift, scale float64) matrix {
	if e.err != nil {
		return matrix{}
	}
	shift *= f.shift
	if f.modulation.scale == 0 {
		scale = 1
	}
	round := unrounded
	if mode.bf16 {
		round = f.step
	}
	y := mode.each(func(x float64) float64 {
		switch {
		case f.reciprocal:
			return round(round(x/scale) + shift)
		case f.scaleFirst:
			return round(round(x*scale) - shift)
		}
		return round(round(x-shift) * scale)
	})
	y.bf16 = false
	return f.hold(y, false)
}

// activations are functions of one number.
var activations = map[string]func(float64) float64{
	"":     unrounded,
	"silu": func(x float64) float64 { return x / (1 + math.Exp(-x)) },
	"gelu": func(x float64) float64 { return 0.5 * x * (1 + math.Erf(x/math.Sqrt2)) },
	"gelu-tanh": func(x float64) float64 {
		return 0.5 * x * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
	},
	"gelu-quick": func(x float64) float64 { return x / (1 + math.Exp(-1.702*x)) },
	"relu":       func(x float64) float64 { return max(x, 0) },
}

// active applies an activation of that name; f.act may be another one. SwiGLU takes
// halves a and g and returns a·silu(g), the gate rounded as x is held.
func (e *evaluation) active(f *form, name string, x matrix) matrix {
	if e.err != nil {
		return matrix{}
	}
	if f.act != "" {
		name = f.act
	}
	gate, gates := map[string]string{"swiglu": "silu", "geglu": "gelu", "glu-tanh": "gelu-tanh"}[name]
	if !gates {
		return f.hold(x.each(activations[name]), x.bf16)
	}
	half := x.cols / 2
	a, g := x.columns(0, half), x.columns(half, x.cols)
	if f.activation.exchanged {
		a, g = g, a
	}
	y := newMatrix(x.rows, half)
	for i := range y.data {
		open := activations[gate](g.data[i])
		if x.bf16 {
			open = f.step(open)
		}
		y.data[i] = a.data[i] * open
	}
	return f.hold(y, x.bf16)
}
