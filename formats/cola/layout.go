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

// chunks returns the number of chunks of so many bytes.
func chunks(bytes int64) int { return int((bytes + ChunkBytes - 1) / ChunkBytes) }

// chunkBounds returns where chunk i of so many bytes starts and ends.
func chunkBounds(bytes int64, i int) (from, to int64) {
	from = int64(i) * ChunkBytes
	return from, min(from+ChunkBytes, bytes)
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
