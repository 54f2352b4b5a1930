package gguf

import (
	"fmt"
	"math"
)

// contents is what a file says before its data.
type contents struct {
	version   uint32
	metadata  Metadata
	entries   []Entry
	alignment int64
	headerEnd int64 // where the infos end
	dataStart int64

	keys   map[string]bool
	byName map[string]int
}

// decode reads all that stands before the data of a file and checks where the
// data are; it touches none of them.
func decode(file []byte) (*contents, error) {
	s := newScanner(file)
	h, err := s.header()
	if err != nil {
		return nil, err
	}
	c := newContents(h)
	for range h.keys {
		kv, err := s.keyValue()
		if err == nil {
			err = c.addKey(kv)
		}
		if err != nil {
			return nil, err
		}
	}
	if c.alignment, err = c.metadata.alignment(); err != nil {
		return nil, err
	}
	if err := c.readInfos(s, h.tensors, int64(len(file))); err != nil {
		return nil, err
	}
	return c, c.checkHeaderPadding(file)
}

func newContents(h header) *contents {
	return &contents{version: h.version, keys: map[string]bool{}, byName: map[string]int{}}
}

func (c *contents) addKey(kv KeyValue) error {
	if c.keys[kv.Key] {
		return fmt.Errorf("metadata %q: %w", kv.Key, ErrDuplicateKey)
	}
	c.keys[kv.Key] = true
	c.metadata = append(c.metadata, kv)
	return nil
}

// alignment returns the alignment of the data.
func (m Metadata) alignment() (int64, error) {
	value, ok := m.Lookup(alignmentKey)
	if !ok {
		return defaultAlignment, nil
	}
	n, ok := value.(uint32)
	if !ok || n < minAlignment || n > maxAlignment || n&(n-1) != 0 {
		return 0, fmt.Errorf("%w: it is %s, %s", ErrAlignment, TypeName(value), FormatValue(value))
	}
	return int64(n), nil
}

// readInfos reads the descriptions of n tensors and places the tensors.
func (c *contents) readInfos(s *scanner, n int, fileSize int64) error {
	var offsets []uint64
	for range n {
		e, offset, err := s.info()
		if err == nil {
			err = c.addTensor(e)
		}
		if err != nil {
			return err
		}
		offsets = append(offsets, offset)
	}
	c.endHeader(int64(s.at))
	at := c.placer(fileSize)
	for i := range c.entries {
		if err := at.place(&c.entries[i], offsets[i]); err != nil {
			return err
		}
	}
	return at.finish()
}

func (c *contents) addTensor(e Entry) error {
	if _, again := c.byName[e.Name]; again {
		return fmt.Errorf("tensor %q: %w", e.Name, ErrDuplicateTensor)
	}
	c.byName[e.Name] = len(c.entries)
	c.entries = append(c.entries, e)
	return nil
}

// endHeader says where the infos end, and with it where the data start.
func (c *contents) endHeader(end int64) {
	c.headerEnd, c.dataStart = end, alignUp(end, c.alignment)
}

func (c *contents) checkHeaderPadding(file []byte) error {
	return checkPadding(file, c.headerEnd, min(c.dataStart, int64(len(file))))
}

// checkPadding checks the bytes from…to−1 of a file.
func checkPadding(file []byte, from, to int64) error {
	for i, b := range file[from:to] {
		if b != 0 {
			return fmt.Errorf("%w: byte %d of the file is %#02x", ErrPadding, from+int64(i), b)
		}
	}
	return nil
}

// alignUp returns the first multiple of to, a power of two, from n on.
func alignUp(n, to int64) int64 { return (n + to - 1) &^ (to - 1) }

// placer walks the tensors in the order of the infos and holds each to the one
// place where its data may stand.
type placer struct {
	start     int64 // of the data
	end       int64 // of what came last
	alignment int64
	fileSize  int64
}

func (c *contents) placer(fileSize int64) placer {
	return placer{start: c.dataStart, end: c.headerEnd, alignment: c.alignment, fileSize: fileSize}
}

// place checks the offset that the info of e has, gives e its place in the file
// and moves behind it.
func (p *placer) place(e *Entry, offset uint64) error {
	want := alignUp(p.end, p.alignment)
	if offset > math.MaxInt64-uint64(p.start) {
		return fmt.Errorf("tensor %q: %w: offset %d", e.Name, ErrBounds, offset)
	}
	e.Offset = p.start + int64(offset)
	switch {
	case e.Offset%p.alignment != 0:
		return fmt.Errorf("tensor %q: %w: offset %d, the alignment is %d", e.Name, ErrUnaligned, offset, p.alignment)
	case e.Offset > want:
		return fmt.Errorf("tensor %q: %w: offset %d, should be %d", e.Name, ErrHole, offset, want-p.start)
	case e.Offset < want:
		return fmt.Errorf("tensor %q: %w: offset %d, should be %d", e.Name, ErrOverlap, offset, want-p.start)
	case e.Offset > p.fileSize-e.Bytes: // negative if there are more than the file has
		return fmt.Errorf("tensor %q: %w: %d bytes at %d of %d; copy or download the file again", e.Name, ErrBounds, e.Bytes, e.Offset, p.fileSize)
	}
	p.end = e.Offset + e.Bytes
	return nil
}

// finish checks that the file ends with the last tensor or the padding behind it.
func (p *placer) finish() error {
	padded := alignUp(p.end, p.alignment)
	if p.fileSize != p.end && p.fileSize != padded {
		return fmt.Errorf("%w: %d bytes, should be %d or, with padding, %d", ErrFileSize, p.fileSize, p.end, padded)
	}
	return nil
}
