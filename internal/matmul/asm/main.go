// Command asm writes the kernels of package matmul for amd64: tile_amd64.s and
// tile_generated.go. Run it with `go generate` in that package. It is a module
// of its own so that the toolkit does not depend on the assembler.
package main

import . "github.com/mmcloughlin/avo/build"

// The tile and the lanes of package matmul.
const (
	tileRows = 4
	tileCols = 6
	lanes    = 16

	floatBytes = 4
	sliceBytes = 24 // a slice's header: data, len, cap
)

func main() {
	ConstraintExpr("amd64")
	tileAVX512(tileRows)
	tileAVX512(1)
	tileAVX2(2, 3)
	Generate()
}
