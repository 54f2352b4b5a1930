package operation

import (
	"fmt"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
)

// Value is the result of an operation.
type Value struct {
	Shape tensor.Shape
	Data  []float64
	Type  dtype.Type // in which a run of the contract holds it: F32 or BF16
}

// View returns the value in float64, as it was computed.
func (v Value) View(name string) tensor.View {
	return v.stored(name, dtype.F64)
}

// AsRun returns the value in the type in which a run holds it.
func (v Value) AsRun(name string) tensor.View {
	return v.stored(name, v.Type)
}

func (v Value) stored(name string, t dtype.Type) tensor.View {
	view := tensor.View{Desc: tensor.Desc{Name: name, Type: t, Shape: v.Shape}, Data: make([]byte, len(v.Data)*t.Size())}
	_ = dtype.FromFloat64s(view.Data, v.Data, t) // the sizes fit
	return view
}

// matrix is a value while it is computed: rows in the order of memory.
type matrix struct {
	rows, cols int
	data       []float64
	bf16       bool // the run holds it in bfloat16
}

func newMatrix(rows, cols int) matrix {
	return matrix{rows: rows, cols: cols, data: make([]float64, rows*cols)}
}

func (m matrix) row(i int) []float64 { return m.data[i*m.cols : (i+1)*m.cols] }

// columns returns the columns from (inclusive) to to (exclusive).
func (m matrix) columns(from, to int) matrix {
	out := newMatrix(m.rows, to-from)
	out.bf16 = m.bf16
	for r := range m.rows {
		copy(out.row(r), m.row(r)[from:to])
	}
	return out
}

// each returns f of every element.
func (m matrix) each(f func(float64) float64) matrix {
	out := newMatrix(m.rows, m.cols)
	out.bf16 = m.bf16
	for i, x := range m.data {
		out.data[i] = f(x)
	}
	return out
}

// matrixOf reads a value of rows·cols elements.
func matrixOf(in Input, rows, cols int) (matrix, error) {
	data, err := in.View.Float64s()
	if err != nil {
		return matrix{}, err
	}
	if len(data) != rows*cols {
		return matrix{}, tensor.Damagedf("%s has shape %v, and %d rows of %d are wanted", in.View.Name, in.View.Shape, rows, cols)
	}
	return matrix{rows, cols, data, in.Run == dtype.BF16}, nil
}

func errMissing(what string) error {
	return fmt.Errorf("%s is not recorded: %w", what, tensor.ErrNotFound)
}
