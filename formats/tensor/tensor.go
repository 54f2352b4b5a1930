// Package tensor describes stored tensors: their shapes, their bytes and the
// sources they are read from. It knows no file format.
package tensor

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"colakit/formats/dtype"
)

// ErrOverflow is returned for a shape whose element or byte count does not fit
// in an int64.
var ErrOverflow = errors.New("tensor size overflows 64 bits")

// ErrNotFound is wrapped by a Source's Read for a name that it does not hold.
var ErrNotFound = errors.New("no such tensor")

// Shape holds the dimensions of a row-major tensor, outermost first. The empty
// shape is a scalar.
type Shape []int

// Elements returns the product of the dimensions. A negative dimension or a
// product beyond 2^63−1 is an error.
func (s Shape) Elements() (int64, error) {
	n := int64(1)
	for _, d := range s {
		if d < 0 {
			return 0, fmt.Errorf("shape %v has a negative dimension", s)
		}
		if d != 0 && n > math.MaxInt64/int64(d) {
			return 0, fmt.Errorf("shape %v: %w", s, ErrOverflow)
		}
		n *= int64(d)
	}
	return n, nil
}

// Equal reports whether both shapes have the same dimensions.
func (s Shape) Equal(t Shape) bool { return slices.Equal(s, t) }

// String formats the shape as "[2048, 16]".
func (s Shape) String() string {
	parts := make([]string, len(s))
	for i, d := range s {
		parts[i] = strconv.Itoa(d)
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// Desc names a tensor and says how its bytes are to be read.
type Desc struct {
	Name  string     `json:"name"`
	Type  dtype.Type `json:"type"`
	Shape Shape      `json:"shape"`
	// Quantization gives I8 elements their values; nil where they are numbers
	// themselves.
	Quantization *Quantization `json:"quantization,omitempty"`
}

// Bytes returns the size of the tensor's data, scales not included.
func (d Desc) Bytes() (int64, error) {
	n, err := d.Shape.Elements()
	if err != nil {
		return 0, fmt.Errorf("tensor %q: %w", d.Name, err)
	}
	size := int64(d.Type.Size())
	if size == 0 {
		return 0, fmt.Errorf("tensor %q: invalid element type", d.Name)
	}
	if n > math.MaxInt64/size {
		return 0, fmt.Errorf("tensor %q, shape %v of %v: %w", d.Name, d.Shape, d.Type, ErrOverflow)
	}
	return n * size, nil
}

// View is a tensor's description and its bytes, little-endian and row-major.
// The bytes may be those of a mapped file: they are read-only and valid until
// the Source they came from is closed.
type View struct {
	Desc
	Data   []byte
	Scales []byte // of a quantised tensor: [rows, groups of a row]
}

// Source is a read-only set of named tensors. Reading one tensor touches no
// other. A Source is safe for concurrent reading.
type Source interface {
	// Descs lists the tensors in the order of their data.
	Descs() []Desc
	// Read returns one tensor; its error wraps ErrNotFound for an unknown name.
	Read(name string) (View, error)
	Close() error
}
