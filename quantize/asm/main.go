// Command asm writes the measuring and scanning loops of package quantize for amd64:
// measure_amd64.s and measure_generated.go. Run it with `go generate` in that
// package. It is a module of its own so that the toolkit does not depend on the
// assembler.
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

const (
	floatBytes = 4
	// lanes is the number of sums that package quantize keeps.
	lanes = 8

	// Predicates of VCMPPS.
	equal   = 0x00
	unequal = 0x04
)

// Everything but the sign, of float32 and float64, repeated over a register.
var narrow, wide Mem

func main() {
	ConstraintExpr("amd64")
	narrow = repeated("narrow", 0x7fffffff, 0x7fffffff)
	wide = repeated("wide", 0xffffffff, 0x7fffffff)
	measureAVX512()
	measureAVX2()
	scanFloats()
	scanCodes()
	Generate()
}

// begin begins a function that does what plainAdd does.
func begin(name string) {
	TEXT(name, NOSPLIT, "func(x, y *float32, n int, squares, errors, worst *[8]float64, peaks *[8]uint32) (underflow int)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s is plainAdd for n elements, a multiple of %d and not 0.", name, lanes))
}

// loop writes the loop over all elements, lanes of them at a time: x as in the
// source, y as stored.
func loop(measure func(x, y Mem)) {
	xs, ys, n, index := parameter("x"), parameter("y"), parameter("n"), GP64()
	XORQ(index, index)
	Label("piece")
	measure(Mem{Base: xs, Index: index, Scale: floatBytes}, Mem{Base: ys, Index: index, Scale: floatBytes})
	ADDQ(U8(lanes), index)
	CMPQ(index, n)
	JLT(LabelRef("piece"))
}

func parameter(name string) Register { return Load(Param(name), GP64()) }

// end stores the counted underflow and ends the function.
func end(underflow Register) {
	Store(underflow, ReturnIndex(0))
	VZEROUPPER()
	RET()
}

// repeated returns 64 bytes of memory with the same 64 bits all over.
func repeated(name string, low, high uint32) Mem {
	table := GLOBL(name, RODATA|NOPTR)
	for i := range lanes {
		DATA(8*i, U32(low))
		DATA(8*i+4, U32(high))
	}
	return table
}
