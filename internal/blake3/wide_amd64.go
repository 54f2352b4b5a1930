package blake3

import (
	"golang.org/x/sys/cpu"
	"lukechampine.com/blake3/guts"
)

//go:generate go -C asm run . -out ../compress_amd64.s -stubs ../compress_generated.go -pkg blake3

// wide says that this processor compresses width nodes at a time.
var wide = cpu.X86.HasAVX512F

const width = 16

// The sizes of subtrees that wideNode takes.
const (
	leastWide = 2 * width * guts.ChunkSize
	mostWide  = PartSize
)

// wideNode returns the root of the subtree over data, if it is a complete one of a
// size that is worth it.
func wideNode(data []byte, chunk uint64) (guts.Node, bool) {
	size := len(data)
	if !wide || size < leastWide || size > mostWide || size&(size-1) != 0 {
		return guts.Node{}, false
	}
	var values [mostWide / guts.ChunkSize][8]uint32 // of the nodes of a level
	n := size / guts.ChunkSize
	for i := 0; i < n; i += width {
		chunksAVX512((*[width][8]uint32)(values[i:]), (*[width * guts.ChunkSize]byte)(data[i*guts.ChunkSize:]), chunk+uint64(i))
	}
	for ; n > 2; n /= 2 {
		for i := 0; i < n; i += 2 * width { // the last of a small level give values that nobody reads
			parentsAVX512((*[width][8]uint32)(values[i/2:]), (*[2 * width][8]uint32)(values[i:]))
		}
	}
	return guts.ParentNode(values[0], values[1], &guts.IV, 0), true
}
