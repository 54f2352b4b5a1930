package reference

import (
	"fmt"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
	"colakit/reference/generate"
)

// wants reports whether the tap wants a value. Module and operation are joined
// only when somebody looks, so that an unobserved run does not allocate.
func (p *pass[T]) wants(module, op string) bool {
	if p.tap == nil || p.err != nil {
		return false
	}
	return p.tap.Want(p.at(module, op))
}

func (p *pass[T]) at(module, op string) generate.Site {
	site := p.site
	site.Path = module + op
	return site
}

// see shows v to the tap as a tensor of the given shape (none: that of the
// matrix) and returns the value to go on with: v, or what a Forcing tap puts in
// its place.
func (p *pass[T]) see(module, op string, v value[T], shape ...int) value[T] {
	v, _ = p.exchange(module, op, v, shape...)
	return v
}

// exchange is see, and reports whether the value was replaced.
func (p *pass[T]) exchange(module, op string, v value[T], shape ...int) (value[T], bool) {
	if !p.wants(module, op) {
		return v, false
	}
	if shape == nil {
		shape = []int{v.rows(), v.cols()}
	}
	site := p.at(module, op)
	forced, err := generate.Show(p.tap, site, viewOf(site.String(), v, shape))
	if err != nil || forced == nil {
		p.fail(err)
		return v, false
	}
	replaced, err := valueOf[T](*forced, v)
	if err != nil {
		p.fail(fmt.Errorf("forced value of %s: %w", site, err))
		return v, false
	}
	return replaced, true
}

// viewOf returns v as a tensor of the type that the run holds it in. An F32 or F64
// view shares v's memory.
func viewOf[T number](name string, v value[T], shape tensor.Shape) tensor.View {
	switch data := any(v.data()).(type) {
	case []float32:
		if v.bf16 {
			view := tensor.View{Desc: tensor.Desc{Name: name, Type: dtype.BF16, Shape: shape}, Data: make([]byte, 2*len(data))}
			_ = dtype.FromFloat32s(view.Data, data, dtype.BF16) // the sizes fit
			return view
		}
		return tensor.FromFloat32s(name, shape, data)
	case []float64:
		view := tensor.View{Desc: tensor.Desc{Name: name, Type: dtype.F64, Shape: shape}, Data: make([]byte, 8*len(data))}
		_ = dtype.FromFloat64s(view.Data, data, dtype.F64)
		return view
	}
	return tensor.View{}
}

// valueOf returns a copy of the tensor as a value like v.
func valueOf[T number](view tensor.View, v value[T]) (value[T], error) {
	data, err := floats[T](view)
	if err != nil {
		return v, err
	}
	out := value[T]{newMatrix[T](v.rows(), v.cols()), v.bf16}
	if len(data) != len(out.data()) {
		return v, fmt.Errorf("%d elements, wanted %d", len(data), len(out.data()))
	}
	copy(out.data(), data)
	return out, nil
}

// floats returns the elements of a floating-point tensor as T, in place where
// the tensor's own memory can be read so.
func floats[T number](view tensor.View) ([]T, error) {
	var zero T
	if _, ok := any(zero).(float32); ok {
		data, err := view.Float32s()
		if err != nil {
			return nil, err
		}
		return any(data).([]T), nil
	}
	data, err := view.Float64s()
	if err != nil {
		return nil, err
	}
	return any(data).([]T), nil
}
