package ops

import (
	"fmt"

	"colakit/kernels/device"
)

// Type is the type of the elements of an operand. The first four are numbered as in
// kernels/cuda/element.h.
type Type int32

// The types of elements.
const (
	F32 Type = iota
	BF16
	F16
	I8
	I32
	U8
)

var types = [...]struct {
	name string
	size int
}{{"f32", 4}, {"bf16", 2}, {"f16", 2}, {"i8", 1}, {"i32", 4}, {"u8", 1}}

func (t Type) valid() bool { return t >= 0 && int(t) < len(types) }

// String returns the lower-case name.
func (t Type) String() string {
	if !t.valid() {
		return fmt.Sprintf("type(%d)", int32(t))
	}
	return types[t].name
}

// Size returns the bytes of an element.
func (t Type) Size() int {
	if !t.valid() {
		return 0
	}
	return types[t].size
}

// float reports whether kernels can load and store the type as a number.
func (t Type) float() bool { return t == F32 || t == BF16 || t == F16 }

// narrow reports whether the type is a 16-bit one.
func (t Type) narrow() bool { return t == BF16 || t == F16 }

// Matrix is an operand of rows; the zero Matrix is none.
type Matrix struct {
	Buffer     device.Buffer
	Offset     int64 // bytes from the buffer's start to the first element
	Type       Type
	Rows, Cols int
	Stride     int // elements from one row to the next
}

// MatrixOf returns the matrix [rows, cols] without gaps at the start of a buffer.
func MatrixOf(b device.Buffer, t Type, rows, cols int) Matrix {
	return Matrix{Buffer: b, Type: t, Rows: rows, Cols: cols, Stride: cols}
}

// Columns returns the columns from (inclusive) to to (exclusive).
func (m Matrix) Columns(from, to int) Matrix {
	m.Offset += int64(from) * int64(m.Type.Size())
	m.Cols = to - from
	return m
}

// Slice returns the rows from (inclusive) to to (exclusive).
func (m Matrix) Slice(from, to int) Matrix {
	m.Offset += int64(from) * int64(m.Stride) * int64(m.Type.Size())
	m.Rows = to - from
	return m
}

func (m Matrix) none() bool              { return m == Matrix{} }
func (m Matrix) pointer() device.Pointer { return pointer(m.Buffer, m.Offset) }

// Vector is a run of elements; the zero Vector is none.
type Vector struct {
	Buffer device.Buffer
	Offset int64 // bytes
	Type   Type
	N      int
}

// VectorOf returns the vector of n elements at the start of a buffer.
func VectorOf(b device.Buffer, t Type, n int) Vector { return Vector{Buffer: b, Type: t, N: n} }

// Slice returns the elements from (inclusive) to to (exclusive).
func (v Vector) Slice(from, to int) Vector {
	v.Offset += int64(from) * int64(v.Type.Size())
	v.N = to - from
	return v
}

func (v Vector) none() bool              { return v == Vector{} }
func (v Vector) pointer() device.Pointer { return pointer(v.Buffer, v.Offset) }

func pointer(b device.Buffer, offset int64) device.Pointer {
	if b.Pointer == 0 {
		return 0
	}
	return b.At(offset)
}

// checker collects the first mistake in the operands of one operation.
type checker struct {
	op  string
	err error
}

func (c *checker) refuse(format string, args ...any) {
	if c.err == nil {
		c.err = device.Argumentf("%s: %s", c.op, fmt.Sprintf(format, args...))
	}
}

func (c *checker) require(ok bool, format string, args ...any) {
	if !ok {
		c.refuse(format, args...)
	}
}

// matrix checks an operand of the shape given and of a floating-point type.
func (c *checker) matrix(name string, m Matrix, rows, cols int) {
	c.require(m.Type.float(), "%s of type %v", name, m.Type)
	c.shape(name, m, rows, cols)
}

// shape checks an operand of any type.
func (c *checker) shape(name string, m Matrix, rows, cols int) {
	switch {
	case m.Rows != rows || m.Cols != cols:
		c.refuse("%s is [%d, %d], wanted [%d, %d]", name, m.Rows, m.Cols, rows, cols)
	case m.Cols <= 0 || m.Stride < m.Cols:
		c.refuse("%s: rows of %d elements, %d apart", name, m.Cols, m.Stride)
	case rows > 0:
		c.bounds(name, m.Buffer, m.Offset, m.Type, (int64(rows)-1)*int64(m.Stride)+int64(cols))
	}
}

// inWords reports whether all rows start at multiples of 16 bytes.
func (m Matrix) inWords() bool {
	const word = 16
	size := m.Type.Size()
	return m.Offset%word == 0 && m.Stride*size%word == 0
}

// words checks that the rows of a 16-bit operand can be read 16 bytes at a time.
func (c *checker) words(name string, m Matrix) {
	c.require(!m.Type.narrow() || m.inWords(), "%s starts at byte %d with rows of %d bytes; wanted multiples of 16", name, m.Offset, m.Stride*m.Type.Size())
}

// optional checks an operand that may be none.
func (c *checker) optional(name string, m Matrix, rows, cols int) {
	if !m.none() {
		c.matrix(name, m, rows, cols)
	}
}

// vector checks a run of n elements or more.
func (c *checker) vector(name string, v Vector, t Type, n int) {
	c.require(v.Type == t, "%s of type %v, wanted %v", name, v.Type, t)
	c.require(v.N >= n, "%s has %d elements, wanted %d", name, v.N, n)
	if n > 0 {
		c.bounds(name, v.Buffer, v.Offset, t, int64(v.N))
	}
}

func (c *checker) optionalVector(name string, v Vector, t Type, n int) {
	if !v.none() {
		c.vector(name, v, t, n)
	}
}

func (c *checker) bounds(name string, b device.Buffer, offset int64, t Type, elements int64) {
	size := int64(t.Size())
	c.require(b.Pointer != 0, "%s has no buffer", name)
	c.require(size > 0 && offset >= 0 && offset%max(size, 1) == 0, "%s starts at byte %d", name, offset)
	c.require(offset <= b.Bytes && elements <= (b.Bytes-offset)/max(size, 1),
		"%s: %d elements of %v from byte %d on are more than a buffer of %d bytes has", name, elements, t, offset, b.Bytes)
}
