package cola

import "fmt"

// Limits of the format.
const (
	MaxIndexBytes   = 64 << 20
	MaxSectionBytes = 64 << 20 // of every section but the sums
	MaxTensors      = 1 << 20
	MaxNameBytes    = 512
	MaxDimensions   = 8

	// ChunkBytes is the amount of data under one checksum.
	ChunkBytes = 4 << 20
)

const (
	smallAlignment = 64
	largeAlignment = 4096
	largeBytes     = 64 << 10 // from this size on a tensor starts on a page
)

// alignment returns the alignment of a tensor of the given size.
func alignment(bytes int64) int64 {
	if bytes >= largeBytes {
		return largeAlignment
	}
	return smallAlignment
}

// alignUp returns the first multiple of to, a power of two, from n on.
func alignUp(n, to int64) int64 { return (n + to - 1) &^ (to - 1) }

// region is a part of the file that is cut into chunks.
type region struct {
	offset, bytes int64
	chunk         int64 // bytes of every chunk but the last
}

func (r region) chunks() int {
	if r.bytes <= 0 {
		return 0
	}
	return int((r.bytes-1)/r.chunk + 1)
}

// span returns where in the file chunk i is and its size.
func (r region) span(i int) (offset, bytes int64) {
	from := int64(i) * r.chunk
	return r.offset + from, min(r.chunk, r.bytes-from)
}

// cursor walks the parts of a file in order and holds each to the one place
// where it may stand.
type cursor struct {
	end   int64 // of the part before
	limit int64 // where the index starts
}

// place checks the part that follows and moves behind it.
func (c *cursor) place(offset, bytes, align int64) error {
	want := alignUp(c.end, align)
	switch {
	case offset > want:
		return fmt.Errorf("%w: it starts at %d, not at %d", ErrHole, offset, want)
	case offset < want:
		return fmt.Errorf("%w: it starts at %d, not at %d", ErrOverlap, offset, want)
	case bytes < 0 || bytes > c.limit || offset > c.limit-bytes:
		return fmt.Errorf("%w: it has %d bytes at %d, and the data ends at %d", ErrBounds, bytes, offset, c.limit)
	}
	c.end = offset + bytes
	return nil
}
