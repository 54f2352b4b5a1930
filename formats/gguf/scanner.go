package gguf

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"
)

// scanner reads what stands before the data, from front to back, one record
// (header, key with value, info) after the other.
type scanner struct {
	data []byte // the file, or as much of it as may be read here
	at   int
	err  error // the first in this record
	lost bool  // where the next record begins can't be known: only zeros are read
}

func newScanner(file []byte) *scanner {
	return &scanner{data: file[:min(len(file), MaxHeaderBytes)]}
}

// begin starts a record, for which an earlier one's error does not count.
func (s *scanner) begin() {
	if !s.lost {
		s.err = nil
	}
}

// flaw notes an error after which reading can go on.
func (s *scanner) flaw(err error) {
	if s.err == nil {
		s.err = err
	}
}

// fail notes an error behind which nothing makes sense.
func (s *scanner) fail(format string, args ...any) {
	s.flaw(fmt.Errorf(format, args...))
	s.lost = true
}

// left returns the number of bytes that can still be read.
func (s *scanner) left() int { return len(s.data) - s.at }

// ending returns the rule that is broken by what goes on behind the end: rule,
// unless it is our limit that ends it.
func (s *scanner) ending(rule error) error {
	if len(s.data) == MaxHeaderBytes {
		return ErrHeaderSize
	}
	return rule
}

// take returns the next n bytes, nil if they can't be read.
func (s *scanner) take(n int) []byte {
	if s.lost {
		return nil
	}
	if n > s.left() {
		s.fail("%w: %d bytes needed at %d, and %d are left", s.ending(ErrShort), n, s.at, s.left())
		return nil
	}
	s.at += n
	return s.data[s.at-n : s.at : s.at]
}

func (s *scanner) uint32() uint32 {
	if raw := s.take(4); raw != nil {
		return binary.LittleEndian.Uint32(raw)
	}
	return 0
}

func (s *scanner) uint64() uint64 {
	if raw := s.take(8); raw != nil {
		return binary.LittleEndian.Uint64(raw)
	}
	return 0
}

// length reads the length of a string or array whose elements take size bytes or
// more, and makes sure that they can be there.
func (s *scanner) length(size int) int {
	n := s.uint64()
	switch {
	case n > MaxLength:
		s.fail("%w: %d, at most %d are allowed", ErrLength, n, MaxLength)
	case int(n) > s.left()/size && !s.lost:
		s.fail("%w: %d × %d bytes, and %d are left", s.ending(ErrLength), n, size, s.left())
	}
	if s.lost {
		return 0
	}
	return int(n)
}

func (s *scanner) string() string {
	raw := s.take(s.length(1))
	if !utf8.Valid(raw) {
		s.flaw(fmt.Errorf("%w: %.40q", ErrUTF8, raw))
	}
	return string(raw)
}
