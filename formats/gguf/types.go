package gguf

import (
	"fmt"
	"math"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
)

// Type is an element type as a file stores it.
type Type uint32

// The types that are written. Known names the others, which are only read.
const (
	F32  Type = 0
	F16  Type = 1
	Q8_0 Type = 8
	I8   Type = 24
	I16  Type = 25
	I32  Type = 26
	I64  Type = 27
	F64  Type = 28
	BF16 Type = 30
)

// properties of a type: its blocks of so many elements of one row take so many bytes.
type properties struct {
	name     string
	elements int
	bytes    int
	element  dtype.Type // Invalid for types that the toolkit has none for
}

// types has the numbers of ggml_type in ggml.h, and the sizes of ggml-common.h.
// The numbers left out (4, 5, 31–33, 36–38) were types once.
var types = map[Type]properties{
	F32: {"F32", 1, 4, dtype.F32}, F16: {"F16", 1, 2, dtype.F16}, BF16: {"BF16", 1, 2, dtype.BF16}, F64: {"F64", 1, 8, dtype.F64},
	I8: {"I8", 1, 1, dtype.I8}, I16: {"I16", 1, 2, dtype.Invalid}, I32: {"I32", 1, 4, dtype.I32}, I64: {"I64", 1, 8, dtype.I64},

	2: {"Q4_0", 32, 18, dtype.Invalid}, 3: {"Q4_1", 32, 20, dtype.Invalid},
	6: {"Q5_0", 32, 22, dtype.Invalid}, 7: {"Q5_1", 32, 24, dtype.Invalid},
	Q8_0: {"Q8_0", 32, 34, dtype.Invalid}, 9: {"Q8_1", 32, 40, dtype.Invalid},
	10: {"Q2_K", 256, 84, dtype.Invalid}, 11: {"Q3_K", 256, 110, dtype.Invalid}, 12: {"Q4_K", 256, 144, dtype.Invalid},
	13: {"Q5_K", 256, 176, dtype.Invalid}, 14: {"Q6_K", 256, 210, dtype.Invalid}, 15: {"Q8_K", 256, 292, dtype.Invalid},
	16: {"IQ2_XXS", 256, 66, dtype.Invalid}, 17: {"IQ2_XS", 256, 74, dtype.Invalid}, 18: {"IQ3_XXS", 256, 98, dtype.Invalid},
	19: {"IQ1_S", 256, 50, dtype.Invalid}, 20: {"IQ4_NL", 32, 18, dtype.Invalid}, 21: {"IQ3_S", 256, 110, dtype.Invalid},
	22: {"IQ2_S", 256, 82, dtype.Invalid}, 23: {"IQ4_XS", 256, 136, dtype.Invalid}, 29: {"IQ1_M", 256, 56, dtype.Invalid},
	34: {"TQ1_0", 256, 54, dtype.Invalid}, 35: {"TQ2_0", 256, 66, dtype.Invalid}, 39: {"MXFP4", 32, 17, dtype.Invalid},
	40: {"NVFP4", 64, 36, dtype.Invalid}, 41: {"Q1_0", 128, 18, dtype.Invalid}, 42: {"Q2_0", 64, 18, dtype.Invalid},
}

// Of returns the type that stores elements of type t as they are, and false for
// those without one: unsigned integers and bool.
func Of(t dtype.Type) (Type, bool) {
	for stored, p := range types {
		if p.element == t && t != dtype.Invalid {
			return stored, true
		}
	}
	return 0, false
}

// Known reports whether t is a type of the format.
func (t Type) Known() bool { return types[t].elements > 0 }

// String returns ggml's name of the type, in capitals: "F32", "Q8_0".
func (t Type) String() string {
	if !t.Known() {
		return fmt.Sprintf("type %d", uint32(t))
	}
	return types[t].name
}

// MarshalText writes ggml's name of the type.
func (t Type) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// Element returns the type of a tensor's elements, and dtype.Invalid where they
// are stored in blocks or the toolkit has no such type.
func (t Type) Element() dtype.Type { return types[t].element }

// Block returns how many elements are stored together, in how many bytes. An
// unknown type has 0 of both.
func (t Type) Block() (elements, bytes int) { return types[t].elements, types[t].bytes }

// Quantized reports whether t stores elements in blocks with a scale.
func (t Type) Quantized() bool { return types[t].elements > 1 }

// Desc names a tensor and says how it is stored. Shape is row-major, outermost
// first, as everywhere in the toolkit.
type Desc struct {
	Name  string       `json:"name"`
	Type  Type         `json:"type"`
	Shape tensor.Shape `json:"shape"`
}

// Bytes returns the size of the tensor's data. Its errors name the tensor.
func (d Desc) Bytes() (int64, error) {
	n, err := d.bytes()
	if err != nil {
		return 0, fmt.Errorf("tensor %q: %w", d.Name, err)
	}
	return n, nil
}

func (d Desc) bytes() (int64, error) {
	if !d.Type.Known() {
		return 0, fmt.Errorf("%w: %v", ErrType, d.Type)
	}
	if len(d.Shape) > MaxDimensions {
		return 0, fmt.Errorf("%w: %d, at most %d are allowed", ErrDimensions, len(d.Shape), MaxDimensions)
	}
	n, err := d.Shape.Elements()
	if err != nil {
		return 0, fmt.Errorf("%w: %v is negative or too large", ErrShape, d.Shape)
	}
	elements, bytes := d.Type.Block()
	if row := d.row(); row%elements != 0 {
		return 0, fmt.Errorf("%w: rows of %d elements, blocks of %v have %d", ErrRow, row, d.Type, elements)
	}
	if n/int64(elements) > math.MaxInt64/int64(bytes) {
		return 0, fmt.Errorf("%w: %v of %v is too large", ErrShape, d.Shape, d.Type)
	}
	return n / int64(elements) * int64(bytes), nil
}

// row returns the elements of a row, 1 for a scalar.
func (d Desc) row() int {
	if len(d.Shape) == 0 {
		return 1
	}
	return d.Shape[len(d.Shape)-1]
}

// Entry is a tensor and where its data are in the file.
type Entry struct {
	Desc
	Offset int64 `json:"offset"` // from the beginning of the file
	Bytes  int64 `json:"bytes"`
}

// desc returns the tensor as other packages see it.
func (e Entry) desc() tensor.Desc {
	return tensor.Desc{Name: e.Name, Type: e.Type.Element(), Shape: e.Shape}
}
