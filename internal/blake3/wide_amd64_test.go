package blake3

import (
	"testing"

	"lukechampine.com/blake3/guts"
)

// TestWide holds the sums of complete subtrees, anywhere in a file, to those of
// the module, and the narrow way round to both.
func TestWide(t *testing.T) {
	if !wide {
		t.Skip("not run: this processor has no AVX-512")
	}
	defer func() { wide = true }()
	data := random(2 * mostWide)
	for size := guts.ChunkSize; size <= len(data); size *= 2 {
		for _, first := range []uint64{0, uint64(size) / guts.ChunkSize, 1<<32 - 1024, 1 << 32, 1<<40 + 2048} {
			wide = true
			got := guts.ChainingValue(node(data[:size], first))
			wide = false
			if want := guts.ChainingValue(node(data[:size], first)); got != want {
				t.Errorf("%d bytes from chunk %d on: %x, want %x", size, first, got, want)
			}
		}
	}
}

// TestChunks compresses chunks whose numbers wrap in 32 bits, one by one.
func TestChunks(t *testing.T) {
	if !wide {
		t.Skip("not run: this processor has no AVX-512")
	}
	data := random(width * guts.ChunkSize)
	for _, first := range []uint64{0, 7, 1<<32 - 5, 1<<32 - 16, 1<<33 + 1, 1<<64 - 9} {
		var values [width][8]uint32
		chunksAVX512(&values, (*[width * guts.ChunkSize]byte)(data), first)
		for i, got := range values {
			chunk := data[i*guts.ChunkSize : (i+1)*guts.ChunkSize]
			if want := guts.ChainingValue(guts.CompressChunk(chunk, &guts.IV, first+uint64(i), 0)); got != want {
				t.Errorf("chunk %d + %d: %x, want %x", first, i, got, want)
			}
		}
	}
}
