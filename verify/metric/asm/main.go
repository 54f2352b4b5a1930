// Command asm writes the loops of package metric for amd64: loops_amd64.s and
// loops_generated.go. Run it with `go generate` in that package. It is a module of
// its own so that the toolkit does not depend on the assembler.
package main

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

const (
	// lanes is the number of sums that package metric keeps; a group of so many
	// float64 fills two registers.
	lanes     = 8
	halves    = 2
	halfBytes = 32

	// Predicates of VCMPPD that NaN does not fulfil, but for unequal.
	unequal = U8(0x04)
	less    = U8(0x11)
	greater = U8(0x1e)
)

// Everything but the sign of a float64, over a register.
var magnitude Mem

func main() {
	ConstraintExpr("amd64")
	magnitude = GLOBL("magnitude", RODATA|NOPTR)
	for i := range halfBytes / 8 {
		DATA(8*i, U64(math.MaxInt64))
	}
	for _, write := range []func(){squares, subtract, classify, distances32, distances16, exceed, records, countClasses, addColumns, addErrors} {
		write()
	}
	Generate()
}

// begin begins a function for groups of elements.
func begin(name, signature, does string) {
	TEXT(name, NOSPLIT, "func"+signature)
	Pragma("noescape")
	Doc(fmt.Sprintf("%s %s; n is a multiple of %d and not 0.", name, does, lanes))
}

// elements point to the next group in arrays of a length.
type elements struct{ index Register }

// at returns half h of the group in an array of float64.
func (e elements) at(array Register, h int) Mem {
	return Mem{Base: array, Index: e.index, Scale: 8, Disp: h * halfBytes}
}

// narrow returns the group in an array of 32-bit elements.
func (e elements) narrow(array Register) Mem {
	return Mem{Base: array, Index: e.index, Scale: 4}
}

// loop writes the loop over all groups.
func loop(body func(elements)) {
	n, index := parameter("n"), GP64()
	XORQ(index, index)
	Label("group")
	body(elements{index})
	ADDQ(U8(lanes), index)
	CMPQ(index, n)
	JLT(LabelRef("group"))
}

func end() {
	VZEROUPPER()
	RET()
}

func parameter(name string) Register { return Load(Param(name), GP64()) }

// group is the running values of all lanes.
type group [halves]VecVirtual

// zeros returns lanes of 0.
func zeros() (g group) {
	for h := range g {
		g[h] = zero()
	}
	return g
}

// store writes the lanes to where array points, as its i-th group.
func (g group) store(array Register, i int) {
	for h, v := range g {
		VMOVUPD(v, Mem{Base: array, Disp: (halves*i + h) * halfBytes})
	}
}

func zero() VecVirtual {
	v := YMM()
	VPXOR(v, v, v)
	return v
}

// everywhere returns a register full of a float64 parameter.
func everywhere(name string) VecVirtual {
	v := YMM()
	VPBROADCASTQ(Load(Param(name), XMM()), v)
	return v
}

// words returns a register full of 32 bits.
func words(bits uint32) VecVirtual {
	lane, x, v := GP32(), XMM(), YMM()
	MOVL(U32(bits), lane)
	VMOVD(lane, x)
	VPBROADCASTD(x, v)
	return v
}

// addProduct writes sum += x·y, rounded twice.
func addProduct(x, y, sum VecVirtual) {
	p := YMM()
	VMULPD(x, y, p)
	VADDPD(p, sum, sum)
}

// count writes the addition of the number of 64-bit lanes that are set.
func count(mask VecVirtual, n Register) {
	bits := GP32()
	VMOVMSKPD(mask, bits)
	POPCNTL(bits, bits)
	ADDQ(bits.As64(), n)
}

// join returns the upper 32 bits of both halves' lanes, in order.
func join(low, high VecVirtual) VecVirtual {
	v := YMM()
	VSHUFPS(U8(0b11_01_11_01), high, low, v)
	VPERMQ(U8(0b11_01_10_00), v, v) // it shuffles each 128 bits on their own
	return v
}
