package reference

// A value is the result of one operation: a matrix, and the type in which the
// run holds its elements. T stores both types; see precision.go.
type value[T number] struct {
	m    *matrix[T]
	bf16 bool // every element is a bfloat16 number
}

func (v value[T]) rows() int { rows, _ := dims(v.m); return rows }
func (v value[T]) cols() int { _, cols := dims(v.m); return cols }
func (v value[T]) data() []T { return elements(v.m) }

func (v value[T]) row(i int) []T {
	n := v.cols()
	return v.data()[i*n : (i+1)*n]
}

// columns returns a copy of the columns from (inclusive) to to (exclusive).
func (v value[T]) columns(from, to int) value[T] {
	out := value[T]{newMatrix[T](v.rows(), to-from), v.bf16}
	for r := range v.rows() {
		copy(out.row(r), v.row(r)[from:to])
	}
	return out
}
