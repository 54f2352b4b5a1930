package selftest

import (
	"fmt"
	"math"
	"slices"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
)

// This file holds what can be done to tensors, as injections into Weights.

// edit changes the elements of a tensor.
func edit(name string, change func(v []float32, shape tensor.Shape) error) Injection {
	return Injection{Weights: func(w *Weights) error { return w.Edit(name, change) }}
}

// transposed exchanges rows and columns of every square matrix that the rows of a
// tensor divide into: [n·d, d] are n of them.
func transposed(name string) Injection {
	return edit(name, func(v []float32, shape tensor.Shape) error {
		d := shape[1]
		if shape[0]%d != 0 {
			return fmt.Errorf("%v holds no square matrices", shape)
		}
		for square := range slices.Chunk(v, d*d) {
			for i := range d {
				for j := range i {
					square[i*d+j], square[j*d+i] = square[j*d+i], square[i*d+j]
				}
			}
		}
		return nil
	})
}

// element changes one element.
func element(name string, at int, change func(float32) float32) Injection {
	return edit(name, func(v []float32, _ tensor.Shape) error {
		v[at] = change(v[at])
		return nil
	})
}

func plus(x float32) func(float32) float32  { return func(v float32) float32 { return v + x } }
func times(x float32) func(float32) float32 { return func(v float32) float32 { return v * x } }
func becomes(x float32) func(float32) float32 {
	return func(float32) float32 { return x }
}

func notANumber(float32) float32 { return float32(math.NaN()) }

// bit flips one bit of a float32 number.
func bit(n int) func(float32) float32 {
	return func(v float32) float32 { return math.Float32frombits(math.Float32bits(v) ^ 1<<n) }
}

// every changes all elements.
func every(name string, change func(float32) float32) Injection {
	return edit(name, func(v []float32, _ tensor.Shape) error {
		for i := range v {
			v[i] = change(v[i])
		}
		return nil
	})
}

// row changes all elements of one row.
func row(name string, i int, change func(float32) float32) Injection {
	return edit(name, func(v []float32, shape tensor.Shape) error {
		width := shape[len(shape)-1]
		for j := range width {
			v[i*width+j] = change(v[i*width+j])
		}
		return nil
	})
}

// truncated cuts the low 16 bits of every element instead of rounding to bfloat16.
func truncated(v float32) float32 {
	return math.Float32frombits(math.Float32bits(v) &^ 0xffff)
}

// exchanged swaps two tensors of the same shape.
func exchanged(a, b string) Injection {
	return Injection{Weights: func(w *Weights) error {
		x, err := w.Read(a)
		if err != nil {
			return err
		}
		y, err := w.Read(b)
		if err != nil {
			return err
		}
		if !x.Shape.Equal(y.Shape) {
			return fmt.Errorf("%s %v and %s %v have different shapes", a, x.Shape, b, y.Shape)
		}
		x.Name, y.Name = b, a
		w.Put(x)
		w.Put(y)
		return nil
	}}
}

// parts puts the equal parts of a tensor's rows into another order: order[i] is the
// part that comes i-th.
func parts(name string, order ...int) Injection {
	return edit(name, func(v []float32, _ tensor.Shape) error {
		n := len(v) / len(order)
		old := slices.Clone(v)
		for i, from := range order {
			copy(v[i*n:(i+1)*n], old[from*n:(from+1)*n])
		}
		return nil
	})
}

// heads reads rows [parts, heads, width] as if they were [heads, parts, width].
func heads(name string, parts, heads int) Injection {
	order := make([]int, 0, parts*heads)
	for p := range parts {
		for h := range heads {
			order = append(order, h*parts+p)
		}
	}
	return rowGroups(name, order)
}

func rowGroups(name string, order []int) Injection { return parts(name, order...) }

// removed takes a tensor away.
func removed(name string) Injection {
	return Injection{Weights: func(w *Weights) error { return w.Remove(name) }}
}

// reshaped gives a tensor another shape with the same number of elements.
func reshaped(name string, shape ...int) Injection {
	return Injection{Weights: func(w *Weights) error {
		v, err := w.Read(name)
		if err != nil {
			return err
		}
		v.Shape = shape
		w.Put(v)
		return nil
	}}
}

// added puts a tensor of float32 numbers where there was none.
func added(name string, values ...float32) Injection {
	return Injection{Weights: func(w *Weights) error {
		w.Put(tensor.FromFloat32s(name, tensor.Shape{len(values)}, values))
		return nil
	}}
}

// codes changes the codes and scales of an int8 tensor.
func codes(name string, change func(*tensor.View)) Injection {
	return Injection{Weights: func(w *Weights) error { return w.EditCodes(name, change) }}
}

func throughF16(v float32) float32 { return dtype.F16ToFloat32(dtype.Float32ToF16(v)) }

// truncatedFrom puts the embedded model's tensor in place of an artifact's own, its
// elements truncated to bfloat16.
func truncatedFrom(name string) Injection {
	return Injection{Weights: func(w *Weights) error {
		model, err := embedded()
		if err != nil {
			return err
		}
		v, err := model.Read(name)
		if err != nil {
			return err
		}
		whole, err := v.Float32s()
		if err != nil {
			return err
		}
		return w.Edit(name, func(own []float32, _ tensor.Shape) error {
			for i, x := range whole {
				own[i] = truncated(x)
			}
			return nil
		})
	}}
}
