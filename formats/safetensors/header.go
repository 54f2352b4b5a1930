package safetensors

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
)

const (
	prefix      = 8           // bytes of the header's length
	maxHeader   = 100_000_000 // as the format's own library has it
	maxDims     = 64
	metadataKey = "__metadata__"
)

// elementType is a type of the format.
type elementType struct {
	bits int64
	is   dtype.Type // Invalid for those that the toolkit does not have
}

var elementTypes = map[string]elementType{
	"F64": {64, dtype.F64}, "F32": {32, dtype.F32}, "F16": {16, dtype.F16}, "BF16": {16, dtype.BF16},
	"I64": {64, dtype.I64}, "I32": {32, dtype.I32}, "I8": {8, dtype.I8}, "U8": {8, dtype.U8}, "BOOL": {8, dtype.Bool},
	"C64": {64, dtype.Invalid}, "U64": {64, dtype.Invalid}, "U32": {32, dtype.Invalid},
	"U16": {16, dtype.Invalid}, "I16": {16, dtype.Invalid},
	"F8_E5M2": {8, dtype.Invalid}, "F8_E4M3": {8, dtype.Invalid}, "F8_E8M0": {8, dtype.Invalid},
	"F8_E4M3FNUZ": {8, dtype.Invalid}, "F8_E5M2FNUZ": {8, dtype.Invalid},
	"F6_E2M3": {6, dtype.Invalid}, "F6_E3M2": {6, dtype.Invalid}, "F4": {4, dtype.Invalid},
}

// entry is a tensor of the header.
type entry struct {
	desc       tensor.Desc
	stored     string // the format's name of the type
	begin, end int64  // offsets into the data
}

// header is a parsed header; entries are in the order of their data.
type header struct {
	metadata map[string]string
	entries  []entry
	byName   map[string]int // index of entries
}

// split returns the header's text and the data of a file.
func split(file []byte) (text, data []byte, err error) {
	if len(file) < prefix {
		return nil, nil, fmt.Errorf("%d bytes can't hold the header's length: %w", len(file), ErrHeaderLength)
	}
	n := binary.LittleEndian.Uint64(file)
	rest := file[prefix:]
	switch {
	case n > maxHeader:
		return nil, nil, fmt.Errorf("the header claims %d bytes: %w", n, ErrHeaderLimit)
	case n > uint64(len(rest)):
		return nil, nil, fmt.Errorf("the header claims %d bytes and %d follow: %w", n, len(rest), ErrHeaderLength)
	case n == 0 || rest[0] != '{':
		return nil, nil, ErrHeaderStart
	}
	return rest[:n], rest[n:], nil
}

// parseHeader reads a header and checks all that does not need the data.
func parseHeader(text []byte) (header, error) {
	if !utf8.Valid(text) {
		return header{}, fmt.Errorf("header: %w", ErrUTF8)
	}
	var h header
	s := &scanner{text: text}
	err := s.object(func(key string) (err error) {
		if key == metadataKey {
			if h.metadata != nil {
				return fmt.Errorf("%q: %w", key, ErrDuplicate)
			}
			h.metadata, err = s.metadata()
			return err
		}
		e, err := s.entry(key)
		h.entries = append(h.entries, e)
		return err
	})
	if err == nil {
		err = s.end()
	}
	if err == nil {
		err = h.index()
	}
	if err != nil {
		return header{}, fmt.Errorf("header: %w", err)
	}
	return h, nil
}

// index sorts the entries by offset and finds names that stand twice.
func (h *header) index() error {
	slices.SortStableFunc(h.entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(a.end, b.end))
	})
	h.byName = make(map[string]int, len(h.entries))
	for i, e := range h.entries {
		if _, twice := h.byName[e.desc.Name]; twice {
			return fmt.Errorf("tensor %q: %w", e.desc.Name, ErrDuplicate)
		}
		h.byName[e.desc.Name] = i
	}
	return nil
}

// metadata reads the value of __metadata__.
func (s *scanner) metadata() (map[string]string, error) {
	values := map[string]string{}
	if s.peek() != '{' {
		return nil, ErrMetadata
	}
	return values, s.object(func(key string) (err error) {
		if _, twice := values[key]; twice {
			return fmt.Errorf("metadata %q: %w", key, ErrDuplicate)
		}
		if s.peek() != '"' {
			return fmt.Errorf("metadata %q: %w", key, ErrMetadata)
		}
		values[key], err = s.string()
		return err
	})
}

var fieldNames = [...]string{"dtype", "shape", "data_offsets"}

// entry reads the description of the tensor called name.
func (s *scanner) entry(name string) (entry, error) {
	e := entry{desc: tensor.Desc{Name: name}}
	dims, offsets, err := s.fields(&e)
	if err == nil {
		err = e.resolve(dims, offsets)
	}
	if err != nil {
		return e, fmt.Errorf("tensor %q: %w", name, err)
	}
	return e, nil
}

// fields reads the object that describes e, and does not say yet what it means.
func (s *scanner) fields(e *entry) (dims, offsets []int64, err error) {
	if s.peek() != '{' {
		return nil, nil, ErrEntry
	}
	seen := 0
	err = s.object(func(key string) (err error) {
		field := slices.Index(fieldNames[:], key)
		switch {
		case field < 0:
			return fmt.Errorf("key %q: %w", key, ErrEntry)
		case seen&(1<<field) != 0:
			return fmt.Errorf("key %q: %w", key, ErrDuplicate)
		}
		seen |= 1 << field
		switch field {
		case 0:
			e.stored, err = s.string()
		case 1:
			dims, err = s.naturals(maxDims, ErrShape)
		case 2:
			offsets, err = s.naturals(2, ErrOffsets)
		}
		return err
	})
	if err == nil && seen != 1|2|4 {
		err = ErrEntry
	}
	return dims, offsets, err
}

// resolve fills e from its parsed fields and checks that they agree.
func (e *entry) resolve(dims, offsets []int64) error {
	if len(offsets) != 2 || offsets[0] > offsets[1] {
		return fmt.Errorf("offsets %v: %w", offsets, ErrOffsets)
	}
	e.begin, e.end = offsets[0], offsets[1]
	typ, ok := elementTypes[e.stored]
	if !ok {
		return fmt.Errorf("type %q: %w", e.stored, ErrType)
	}
	e.desc.Type = typ.is
	e.desc.Shape = make(tensor.Shape, len(dims))
	for i, d := range dims {
		if d > math.MaxInt {
			return fmt.Errorf("shape %v: %w", dims, ErrShape)
		}
		e.desc.Shape[i] = int(d)
	}
	n, err := e.desc.Shape.Elements()
	if err != nil || n > math.MaxInt64/typ.bits {
		return fmt.Errorf("shape %v of %s: %w", e.desc.Shape, e.stored, ErrShape)
	}
	if bits := n * typ.bits; bits%8 != 0 || bits/8 != e.end-e.begin {
		return fmt.Errorf("shape %v of %s takes %d bits and data_offsets [%d, %d] hold %d bytes: %w",
			e.desc.Shape, e.stored, bits, e.begin, e.end, e.end-e.begin, ErrSize)
	}
	return nil
}

// cover checks that the tensors cover size bytes of data exactly.
func (h *header) cover(size int) error {
	end := int64(0)
	for _, e := range h.entries {
		switch {
		case e.begin > end:
			return fmt.Errorf("tensor %q begins at byte %d of the data and what is before it ends at %d: %w", e.desc.Name, e.begin, end, ErrHole)
		case e.begin < end:
			return fmt.Errorf("tensor %q begins at byte %d of the data and what is before it ends at %d: %w", e.desc.Name, e.begin, end, ErrOverlap)
		}
		end = e.end
	}
	if end != int64(size) {
		return fmt.Errorf("the tensors take %d bytes and the file has %d for them: %w", end, size, ErrFileSize)
	}
	return nil
}
