package cola

import (
	"fmt"
	"io"

	"colakit/internal/blake3"
)

// Restore takes over a chunk that an earlier Writer of the same tensors wrote to
// the file: it is read from in, and must have the sum. The buffer has ChunkBytes.
// Restore may be called for different chunks at the same time.
func (w *Writer) Restore(in io.ReaderAt, tensor, chunk int, sum blake3.Sum, buffer []byte) error {
	e := w.tensors[tensor]
	offset, bytes := e.span(chunk)
	data := buffer[:bytes]
	if n, err := in.ReadAt(data, offset); n < len(data) {
		return fmt.Errorf("reading tensor %q again: %w", e.Name, err)
	}
	if got := blake3.Of(data); got != sum {
		return fmt.Errorf("tensor %q: %w: %s is %v, not %v", e.Name, ErrSum, e.chunkName(chunk), got, sum)
	}
	w.sums[tensor][chunk] = sum
	return nil
}
