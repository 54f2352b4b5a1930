package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func parameter(name string) Register { return Load(Param(name), GP64()) }

// elements are the places of the elements that a loop stands at.
type elements struct{ floats, bytes Mem }

// at returns that of the floats that begin i further on.
func (e elements) at(i int) Mem { return e.floats.Offset(i * floatBytes) }

// groups writes the loop over the groups of n elements in the row at the pointer
// floats, and at bytes if not nil, size elements at a time: enter and leave for
// each group, whole for each of its pieces.
func groups(size int, floats, bytes Register, enter func(), whole func(e elements), leave func()) {
	n, width := parameter("n"), parameter("width")
	index, count := GP64(), GP64()
	XORQ(index, index)
	Label("group")
	enter()
	MOVQ(width, count)
	CMPQ(n, width)
	CMOVQLT(n, count)
	SUBQ(count, n)
	Label("piece")
	e := elements{floats: Mem{Base: floats, Index: index, Scale: floatBytes}}
	if bytes != nil {
		e.bytes = Mem{Base: bytes, Index: index, Scale: 1}
	}
	whole(e)
	ADDQ(U8(size), index)
	SUBQ(U8(size), count)
	JNZ(LabelRef("piece"))
	leave()
	TESTQ(n, n)
	JNZ(LabelRef("group"))
}

// nextScale writes what loads the scale of the next group into all lanes of v.
func nextScale(scales Register, v VecVirtual) func() {
	return func() {
		VBROADCASTSS(Mem{Base: scales}, v)
		ADDQ(U8(floatBytes), scales)
	}
}

func nothing() {}

// store writes v to the array that the parameter points to, from byte offset on.
func store(param string, offset int, v Op, move func(...Op)) {
	move(v, Mem{Base: parameter(param), Disp: offset})
}

// count writes the addition of the number of bits that are set in mask.
func count(mask, total Register) {
	POPCNTL(mask.(GP).As32(), mask.(GP).As32())
	ADDQ(mask.(GP).As64(), total)
}
