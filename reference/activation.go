package reference

import (
	"fmt"
	"math"
)

// The activations compute each step in T, as PyTorch does; exp, tanh and erf are
// float64's, rounded to T.

// silu returns x/(1 + e^−x).
func silu[T number](p *pass[T], x value[T]) value[T] {
	return mapped(p, x, siluOf[T])
}

func siluOf[T number](x T) T { return x / (1 + T(math.Exp(-float64(x)))) }

// geluTanh returns ½·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))).
func geluTanh[T number](p *pass[T], x value[T]) value[T] {
	return mapped(p, x, func(x T) T {
		cube := T(x*x) * x
		inner := T(math.Sqrt2*(2/math.SqrtPi)*0.5) * T(x+T(0.044715*cube))
		return T(0.5*x) * (1 + T(math.Tanh(float64(inner))))
	})
}

// gelu returns x·Φ(x) = ½·x·(1 + erf(x/√2)).
func gelu[T number](p *pass[T], x value[T]) value[T] {
	return mapped(p, x, func(x T) T {
		return T(0.5*x) * (1 + T(math.Erf(float64(T(x*T(1/math.Sqrt2))))))
	})
}

// swiglu splits x into halves a and g and returns a·silu(g): [R, 2n] → [R, n].
func swiglu[T number](p *pass[T], x value[T]) value[T] {
	n := x.cols() / 2
	gate := silu(p, x.columns(n, 2*n))
	out := gate.data()
	for r := range x.rows() {
		row := out[r*n : (r+1)*n]
		for j, a := range x.row(r)[:n] {
			row[j] *= a
		}
	}
	return p.round(gate)
}

// activationNamed returns the VAE's activation of that name.
func activationNamed[T number](name string) (func(*pass[T], value[T]) value[T], error) {
	switch name {
	case "swiglu":
		return swiglu[T], nil
	case "silu":
		return silu[T], nil
	case "gelu":
		return gelu[T], nil
	}
	return nil, fmt.Errorf("unknown activation %q; known are swiglu, silu, gelu", name)
}

// mapped applies f to every element, and rounds once.
func mapped[T number](p *pass[T], x value[T], f func(T) T) value[T] {
	out := value[T]{newMatrix[T](x.rows(), x.cols()), x.bf16}
	src, dst := x.data(), out.data()
	spread(p.workers, len(src), 16, func(from, to int) {
		for i := from; i < to; i++ {
			dst[i] = f(src[i])
		}
	})
	return p.round(out)
}

// add returns a + b in the wider of their types.
func add[T number](p *pass[T], a, b value[T]) value[T] {
	sum, err := plus(a.m, b.m)
	if err != nil {
		p.fail(err)
		return a
	}
	return p.round(value[T]{sum, a.bf16 && b.bf16})
}
