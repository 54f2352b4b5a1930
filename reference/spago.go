package reference

import (
	"fmt"

	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"
)

// This file holds everything that is dangerous about spago v1.1.0; no other file
// imports spago/mat or spago/ag (a test sees to it). The dangers, and the answers:
//
//   - Shape errors end the process: mat panics or calls log.Fatal. Shapes are
//     checked here first, and become errors.
//   - The operators of package ag run asynchronously and call log.Fatal when they
//     fail. They are not used: the engine needs no gradients, and calls the
//     methods of mat.Dense, which compute before they return.
//   - mat.WithBacking keeps the caller's slice when the element types agree, and
//     silently copies it when they do not. matrixOf admits the first case only,
//     so that weights stay where the file is mapped.
//   - Dense.Data and SetData go through an interface that may copy; mat.Data of a
//     *Dense is the slice itself.
//   - nn.NewParam clones its value, and asks for gradients. parameter does neither.

// number is the element type of an engine's values.
type number interface{ float32 | float64 }

// matrix is a row-major spago matrix.
type matrix[T number] = mat.Dense[T]

// newMatrix returns a matrix of zeros.
func newMatrix[T number](rows, cols int) *matrix[T] {
	return mat.NewDense[T](mat.WithShape(rows, cols))
}

// matrixOf returns data as a matrix that shares its memory.
func matrixOf[T number](data []T, rows, cols int) (*matrix[T], error) {
	if rows < 0 || cols < 0 || rows*cols != len(data) {
		return nil, fmt.Errorf("%d values are no matrix of %d×%d", len(data), rows, cols)
	}
	if len(data) == 0 {
		return newMatrix[T](rows, cols), nil
	}
	return mat.NewDense[T](mat.WithShape(rows, cols), mat.WithBacking(data)), nil
}

// elements returns the matrix's own memory, row by row.
func elements[T number](m *matrix[T]) []T { return mat.Data[T](m) }

// dims returns the number of rows and of columns.
func dims[T number](m *matrix[T]) (rows, cols int) {
	shape := m.Shape()
	return shape[0], shape[1]
}

// plus returns a + b.
func plus[T number](a, b *matrix[T]) (*matrix[T], error) {
	if !mat.SameDims(a, b) {
		return nil, fmt.Errorf("cannot add matrices of shapes %v and %v", a.Shape(), b.Shape())
	}
	return a.Add(b).(*matrix[T]), nil
}

// minusScalar returns m − s.
func minusScalar[T number](m *matrix[T], s float64) *matrix[T] {
	return m.SubScalar(s).(*matrix[T])
}

// timesScalar returns m·s.
func timesScalar[T number](m *matrix[T], s float64) *matrix[T] {
	return m.ProdScalar(s).(*matrix[T])
}

// clamp replaces the elements x of m by min(max(x, −limit), limit), as torch.clamp
// does: below 0, the limit takes the place of every number. NaN stays.
func clamp[T number](m *matrix[T], limit float64) {
	if limit >= 0 {
		m.ClipInPlace(-limit, limit)
		return
	}
	data := mat.Data[T](m)
	for i, x := range data {
		if x == x {
			data[i] = T(limit)
		}
	}
}

// parameter returns m as a parameter of a spago model, without a copy.
func parameter[T number](m *matrix[T]) *nn.Param { return &nn.Param{Matrix: m} }

// parameterElements returns the memory of a parameter made by parameter, and nil
// for none.
func parameterElements[T number](p *nn.Param) []T {
	if p == nil {
		return nil
	}
	return mat.Data[T](p.Matrix)
}

// guard runs fn and returns a panic of it as an error. Every way into the engine
// passes it: should a shape reach spago unchecked in spite of the above, one run
// fails and not the program. (What log.Fatal ends cannot be caught.)
func guard(doing string, fn func() error) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("%s: internal error: %v", doing, fault)
		}
	}()
	return fn()
}
