package verify_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"colakit/formats/dtype"
)

// edit changes a tensor's values in place.
func edit(t *testing.T, m *model, name string, change func(values []float32)) {
	t.Helper()
	v, ok := m.views[name]
	if !ok {
		t.Fatalf("no tensor %s", name)
	}
	values, err := v.Float32s()
	check(t, err)
	values = slices.Clone(values)
	change(values)
	v.Data = make([]byte, len(values)*v.Type.Size())
	check(t, dtype.FromFloat32s(v.Data, values, v.Type))
	m.views[name] = v
}

func transpose(name string) func(*testing.T, *model) {
	return func(t *testing.T, m *model) {
		n := m.views[name].Shape[0]
		if m.views[name].Shape[1] != n {
			t.Fatalf("%s is no square matrix", name)
		}
		edit(t, m, name, func(v []float32) {
			for i := range n {
				for j := range i {
					v[i*n+j], v[j*n+i] = v[j*n+i], v[i*n+j]
				}
			}
		})
	}
}

func change(name string, at int, f func(float32) float32) func(*testing.T, *model) {
	return func(t *testing.T, m *model) {
		edit(t, m, name, func(v []float32) { v[at] = f(v[at]) })
	}
}

// scale multiplies a row of the given width; row 0 of width 1 is the whole tensor.
func scale(name string, row, width int, by float32) func(*testing.T, *model) {
	return func(t *testing.T, m *model) {
		edit(t, m, name, func(v []float32) {
			part := v[row*width : (row+1)*width]
			if width == 1 {
				part = v
			}
			for i := range part {
				part[i] *= by
			}
		})
	}
}

// cutToBF16 cuts the lower half off every element.
func cutToBF16(name string) func(*testing.T, *model) {
	return func(t *testing.T, m *model) {
		edit(t, m, name, func(v []float32) {
			for i, x := range v {
				v[i] = math.Float32frombits(math.Float32bits(x) &^ 0xffff)
			}
		})
	}
}

func swap(a, b string) func(*testing.T, *model) {
	return func(t *testing.T, m *model) {
		x, y := m.views[a], m.views[b]
		if !x.Shape.Equal(y.Shape) {
			t.Fatal(fmt.Errorf("%s and %s have different shapes", a, b))
		}
		x.Name, y.Name = b, a
		m.views[a], m.views[b] = y, x
	}
}
