package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// rowPointers loads the data pointers of the first n slices of the parameter, an
// array of slices, and the length of the first.
func rowPointers(param string, n int) (data []Register, length Register) {
	array := Load(Param(param), GP64())
	for i := range n {
		p := GP64()
		MOVQ(Mem{Base: array, Disp: sliceBytes * i}, p)
		data = append(data, p)
	}
	length = GP64()
	MOVQ(Mem{Base: array, Disp: sliceBytes / 3}, length)
	return data, length
}

// loop writes whole for each 16 elements and tail for the rest, if there is one.
// They are given a register with the offset of the elements in bytes.
func loop(length Register, whole func(offset Register), tail func(offset, left Register)) {
	offset := GP64()
	XORQ(offset, offset)
	SUBQ(U8(lanes), length)
	JLT(LabelRef("tail"))
	Label("steps")
	whole(offset)
	ADDQ(U8(lanes*floatBytes), offset)
	SUBQ(U8(lanes), length)
	JGE(LabelRef("steps"))
	Label("tail")
	ADDQ(U8(lanes), length)
	JZ(LabelRef("done"))
	tail(offset, length)
	Label("done")
}

// begin writes zero if the parameter first is set, else load.
func begin(zero, load func()) {
	first := GP8()
	Load(Param("first"), first)
	TESTB(first, first)
	JZ(LabelRef("resume"))
	zero()
	JMP(LabelRef("ready"))
	Label("resume")
	load()
	Label("ready")
}

// end writes sum if the parameter last is set, else store, and returns.
func end(sum, store func()) {
	last := GP8()
	Load(Param("last"), last)
	TESTB(last, last)
	JZ(LabelRef("suspend"))
	sum()
	VZEROUPPER()
	RET()
	Label("suspend")
	store()
	VZEROUPPER()
	RET()
}
