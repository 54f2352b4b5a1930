package gguf

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"
)

// KeyValue is a key of the metadata with its value: a uint8, int8, uint16, int16,
// uint32, int32, uint64, int64, float32, float64, bool or string, or a slice of
// one of these types.
type KeyValue struct {
	Key   string
	Value any
}

// Metadata is what a file says besides its tensors, in the order of the file.
type Metadata []KeyValue

// Lookup returns the value of a key, and whether there is one.
func (m Metadata) Lookup(key string) (any, bool) {
	for _, kv := range m {
		if kv.Key == key {
			return kv.Value, true
		}
	}
	return nil, false
}

const (
	boolType   = 7
	stringType = 8
	arrayType  = 9
)

// valueType says how values of a type are stored, and as what Go type they are
// held. Those of strings and arrays have no fixed size.
type valueType struct {
	name string
	is   reflect.Type
	size int
	one  func(raw []byte) any
	many func(raw []byte, n int) any
}

// valueTypes are numbered as in a file.
var valueTypes = [...]valueType{
	fixed[uint8]("u8"), fixed[int8]("i8"), fixed[uint16]("u16"), fixed[int16]("i16"),
	fixed[uint32]("u32"), fixed[int32]("i32"), fixed[float32]("f32"), fixed[bool]("bool"),
	stringType: {name: "string", is: reflect.TypeFor[string]()},
	arrayType:  {name: "array"},
	10:         fixed[uint64]("u64"), 11: fixed[int64]("i64"), 12: fixed[float64]("f64"),
}

// fixed describes a type whose values all have the size of T. Decoding can't
// fail: raw has as many bytes as are needed.
func fixed[T any](name string) valueType {
	var zero T
	return valueType{
		name: name,
		is:   reflect.TypeFor[T](),
		size: binary.Size(zero),
		one: func(raw []byte) any {
			var v T
			_, _ = binary.Decode(raw, binary.LittleEndian, &v)
			return v
		},
		many: func(raw []byte, n int) any {
			v := make([]T, n)
			_, _ = binary.Decode(raw, binary.LittleEndian, v)
			return v
		},
	}
}

// numberOf returns the number of v's type, or that of its elements if v is a slice.
func numberOf(v any) (number int, array, ok bool) {
	t := reflect.TypeOf(v)
	if t == nil {
		return 0, false, false
	}
	if t.Kind() == reflect.Slice {
		array, t = true, t.Elem()
	}
	for number, known := range valueTypes {
		if known.is == t {
			return number, array, true
		}
	}
	return 0, array, false
}

// TypeName returns the name of a value's type as Dump has it: "u32", "[]string".
func TypeName(value any) string {
	number, array, ok := numberOf(value)
	switch {
	case !ok:
		return fmt.Sprintf("%T", value)
	case array:
		return "[]" + valueTypes[number].name
	}
	return valueTypes[number].name
}

// appendKeyValue appends kv as a file stores it.
func appendKeyValue(b []byte, kv KeyValue) ([]byte, error) {
	number, array, ok := numberOf(kv.Value)
	if !ok {
		return nil, fmt.Errorf("a %T is no type of value that GGUF has", kv.Value)
	}
	b = appendString(b, kv.Key)
	if array {
		b = binary.LittleEndian.AppendUint32(b, arrayType)
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(number))
	if array {
		n := reflect.ValueOf(kv.Value).Len()
		if n > MaxLength {
			return nil, fmt.Errorf("%d elements, at most %d are read by others", n, MaxLength)
		}
		b = binary.LittleEndian.AppendUint64(b, uint64(n))
	}
	return appendValue(b, kv.Value)
}

func appendValue(b []byte, value any) ([]byte, error) {
	var texts []string
	switch v := value.(type) {
	case string:
		texts = []string{v}
	case []string:
		texts = v
	default:
		return binary.Append(b, binary.LittleEndian, v)
	}
	for _, s := range texts {
		if len(s) > MaxLength || !utf8.ValidString(s) {
			return nil, fmt.Errorf("the string %.40q… of %d bytes is too long or not UTF-8", s, len(s))
		}
		b = appendString(b, s)
	}
	return b, nil
}

func appendString(b []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint64(b, uint64(len(s))), s...)
}

// shown is how many elements of an array and runes of a string are printed.
const (
	shownElements = 4
	shownRunes    = 60
)

// FormatValue returns a value as one short line: long strings and arrays are cut.
func FormatValue(value any) string {
	v := reflect.ValueOf(value)
	if !v.IsValid() || v.Kind() != reflect.Slice {
		return formatScalar(value)
	}
	var parts []string
	for i := range min(v.Len(), shownElements) {
		parts = append(parts, formatScalar(v.Index(i).Interface()))
	}
	if v.Len() > shownElements {
		parts = append(parts, fmt.Sprintf("… %d in all", v.Len()))
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

func formatScalar(value any) string {
	text, ok := value.(string)
	if !ok {
		return fmt.Sprint(value)
	}
	cut := 0
	for at := range text {
		if cut == shownRunes {
			return fmt.Sprintf("%q… %d bytes in all", text[:at], len(text))
		}
		cut++
	}
	return fmt.Sprintf("%q", text)
}
