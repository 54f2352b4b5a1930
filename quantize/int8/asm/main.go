// Command asm writes the kernels of package int8 for amd64: loops_amd64.s and
// loops_generated.go. Run it with `go generate` in that package. It is a module
// of its own so that the toolkit does not depend on the assembler.
package main

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// The numbers of package int8.
const (
	trials  = 4
	maxCode = 127
	beyond  = 127.5

	floatBytes = 4
	// step is the number of elements that the loops take at a time, or a multiple
	// of it: rows are cut to a multiple of it.
	step = 16
)

// The constants, repeated over a register.
var (
	absolute, upper, lower, limit Mem
)

func main() {
	ConstraintExpr("amd64")
	absolute = repeated("absolute", 0x7fffffff)
	upper = repeated("upper", math.Float32bits(maxCode))
	lower = repeated("lower", math.Float32bits(-maxCode))
	limit = repeated("limit", math.Float32bits(beyond))
	for _, write := range []func(){
		peaksAVX512, encodeAVX512, trialAVX512, decodeAVX512,
		peaksAVX2, encodeAVX2, trialAVX2, decodeAVX2,
	} {
		write()
	}
	Generate()
}

// repeated returns 64 bytes of memory with the same 32 bits all over.
func repeated(name string, bits uint32) Mem {
	table := GLOBL(name, RODATA|NOPTR)
	for i := range step {
		DATA(i*floatBytes, U32(bits))
	}
	return table
}

const (
	encodeSignature = "func(codes *byte, x *float32, n int, scales *float32, width int, squares, errors *[8]float64, worst, low, high *[8]float32) (clipped, zeros int)"
	peaksSignature  = "func(dst *uint32, x *float32, n, width int)"
	trialSignature  = "func(x *float32, n int, inverses, sums *[4]float32)"
	decodeSignature = "func(dst *float32, codes *byte, n int, scales *float32, width int)"
)

// begin begins a function. n is a multiple of 16, and so is width if it is less.
func begin(name, signature, doc string) {
	TEXT(name, NOSPLIT, signature)
	Pragma("noescape")
	Doc(fmt.Sprintf("%s is %s for n elements, a multiple of 16.", name, doc))
}
