// Package dtype names the element types that the toolkit reads and writes and
// converts between them.
//
// All values are little-endian. github.com/x448/float16 is the scalar truth for
// F16; the bulk conversions are tested to agree with it on every code.
package dtype

import "fmt"

// Type is an element type of a stored tensor.
type Type uint8

// The element types. The zero value is no type at all, so that a forgotten
// field is noticed.
const (
	Invalid Type = iota
	F32          // IEEE 754 binary32
	F64          // IEEE 754 binary64
	F16          // IEEE 754 binary16
	BF16         // bfloat16: the upper half of a binary32
	I8           // two's complement
	U8
	I32
	I64
	Bool // one byte, 0 or 1
)

type properties struct {
	name  string
	size  int
	float bool
}

var table = [...]properties{
	Invalid: {"invalid", 0, false},
	F32:     {"f32", 4, true},
	F64:     {"f64", 8, true},
	F16:     {"f16", 2, true},
	BF16:    {"bf16", 2, true},
	I8:      {"i8", 1, false},
	U8:      {"u8", 1, false},
	I32:     {"i32", 4, false},
	I64:     {"i64", 8, false},
	Bool:    {"bool", 1, false},
}

func (t Type) properties() properties {
	if int(t) >= len(table) {
		return table[Invalid]
	}
	return table[t]
}

// String returns the lower-case name: "f32", "bf16", "i8" and so on.
func (t Type) String() string { return t.properties().name }

// Size returns the bytes of one element, and 0 for an invalid type.
func (t Type) Size() int { return t.properties().size }

// Float reports whether t is a floating-point type.
func (t Type) Float() bool { return t.properties().float }

// Parse returns the type of a lower-case name as String gives it.
func Parse(name string) (Type, error) {
	for t, p := range table {
		if p.name == name && Type(t) != Invalid {
			return Type(t), nil
		}
	}
	return Invalid, fmt.Errorf("unknown element type %q; known are f32, f64, f16, bf16, i8, u8, i32, i64, bool", name)
}

// MarshalText writes the lower-case name.
func (t Type) MarshalText() ([]byte, error) {
	if t.Size() == 0 {
		return nil, fmt.Errorf("element type %d has no name", uint8(t))
	}
	return []byte(t.String()), nil
}

// UnmarshalText reads the lower-case name.
func (t *Type) UnmarshalText(text []byte) (err error) {
	*t, err = Parse(string(text))
	return err
}
