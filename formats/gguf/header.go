package gguf

import (
	"fmt"
	"math"
	"math/bits"
	"slices"
	"unicode"

	"colakit/formats/tensor"
)

const (
	magic       = "GGUF"
	headerBytes = 24

	oldVersion    = 1 // has 32-bit lengths
	oldestVersion = 2
	newestVersion = 3
)

// header is the beginning of a file.
type header struct {
	version       uint32
	tensors, keys int
}

func (s *scanner) header() (header, error) {
	if head := s.data[:min(len(s.data), len(magic))]; string(head) != magic {
		s.fail("%w: it starts with %q, not %q", ErrMagic, head, magic)
	}
	s.take(len(magic))
	h := header{version: s.uint32()}
	if err := checkVersion(h.version); err != nil {
		s.fail("%w", err)
	}
	h.tensors = s.count("tensors", MaxTensors)
	h.keys = s.count("keys", MaxKeys)
	return h, s.err
}

func checkVersion(v uint32) error {
	switch {
	case v == oldVersion:
		return fmt.Errorf("GGUF version %d: %w; versions %d and %d are", v, ErrUnsupported, oldestVersion, newestVersion)
	case bits.ReverseBytes32(v) <= newestVersion && v != 0:
		return fmt.Errorf("big-endian GGUF: %w; convert the file to little-endian", ErrUnsupported)
	case v < oldestVersion || v > newestVersion:
		return fmt.Errorf("%w: %d; known are %d and %d", ErrVersion, v, oldestVersion, newestVersion)
	}
	return nil
}

func (s *scanner) count(what string, most uint64) int {
	n := s.uint64()
	if n > most {
		s.fail("%w: %d %s, at most %d are allowed", ErrCount, n, what, most)
		return 0
	}
	return int(n)
}

// keyValue reads a key and its value. With an error the key may be there.
func (s *scanner) keyValue() (KeyValue, error) {
	s.begin()
	kv := KeyValue{Key: s.string()}
	if err := checkKey(kv.Key); err != nil {
		s.flaw(err)
	}
	kv.Value = s.value()
	if s.err != nil {
		return kv, fmt.Errorf("metadata %.80q: %w", kv.Key, s.err)
	}
	return kv, nil
}

func checkKey(key string) error {
	if key == "" || len(key) > MaxKeyBytes {
		return fmt.Errorf("%w: %d bytes, 1 to %d are allowed", ErrKey, len(key), MaxKeyBytes)
	}
	for _, r := range key {
		if r <= ' ' || r > '~' {
			return fmt.Errorf("%w: it holds the character %U", ErrKey, r)
		}
	}
	return nil
}

// valueType reads the number of a type.
func (s *scanner) valueType() uint32 {
	number := s.uint32()
	if int64(number) >= int64(len(valueTypes)) {
		s.fail("%w: %d, the last is %d", ErrValueType, number, len(valueTypes)-1)
		return 0
	}
	return number
}

func (s *scanner) value() any {
	switch number := s.valueType(); number {
	case arrayType:
		return s.array()
	case stringType:
		return s.string()
	default:
		t := valueTypes[number]
		raw := s.take(t.size)
		s.checkBools(number, raw)
		if s.lost {
			return nil
		}
		return t.one(raw)
	}
}

func (s *scanner) array() any {
	switch number := s.valueType(); number {
	case arrayType:
		s.fail("%w", ErrNesting)
		return nil
	case stringType:
		return s.strings()
	default:
		t := valueTypes[number]
		n := s.length(t.size)
		raw := s.take(n * t.size)
		s.checkBools(number, raw)
		if s.lost {
			return nil
		}
		return t.many(raw, n)
	}
}

// strings reads an array of strings.
func (s *scanner) strings() []string {
	texts := make([]string, s.length(8)) // each has a length of 8 bytes at least
	for i := range texts {
		texts[i] = s.string()
	}
	return texts
}

func (s *scanner) checkBools(number uint32, raw []byte) {
	if number != boolType {
		return
	}
	if i := slices.IndexFunc(raw, func(b byte) bool { return b > 1 }); i >= 0 {
		s.flaw(fmt.Errorf("%w: %d", ErrBool, raw[i]))
	}
}

// info reads the description of a tensor. Its offset is not yet one of the file
// but what stands there. With an error the name may be there.
func (s *scanner) info() (e Entry, offset uint64, err error) {
	s.begin()
	e.Name = s.string()
	if err := checkName(e.Name); err != nil {
		s.flaw(err)
	}
	e.Shape = s.dimensions()
	e.Type = Type(s.uint32())
	offset = s.uint64()
	if e.Bytes, err = e.bytes(); err != nil {
		s.flaw(err)
	}
	if s.err != nil {
		return e, offset, fmt.Errorf("tensor %.80q: %w", e.Name, s.err)
	}
	return e, offset, nil
}

// dimensions reads a shape, which is stored innermost first.
func (s *scanner) dimensions() tensor.Shape {
	n := s.uint32()
	if n > MaxDimensions {
		s.fail("%w: %d, at most %d are allowed", ErrDimensions, n, MaxDimensions)
		return nil
	}
	shape := make(tensor.Shape, n)
	for i := range shape {
		d := s.uint64()
		if d > math.MaxInt {
			s.flaw(fmt.Errorf("%w: %d elements in one dimension", ErrShape, d))
			d = 0
		}
		shape[len(shape)-1-i] = int(d)
	}
	return shape
}

func checkName(name string) error {
	if name == "" || len(name) > MaxNameBytes {
		return fmt.Errorf("%w: %d bytes, 1 to %d are allowed", ErrName, len(name), MaxNameBytes)
	}
	for _, r := range name {
		if unicode.IsControl(r) {
			return fmt.Errorf("%w: it holds the character %U", ErrName, r)
		}
	}
	return nil
}
