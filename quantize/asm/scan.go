package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

const (
	registerBytes = 32
	// scanRegisters are looked at in a turn of the loop.
	scanRegisters = 4
)

// scanFloats writes the scan of floats. AVX2 is faster than memory is.
func scanFloats() {
	TEXT("scanFloatsAVX2", NOSPLIT, "func(data *byte, n int, exponent, step uint64, carries, any *[4]uint64)")
	Pragma("noescape")
	Doc("scanFloatsAVX2 is laneMasks.plainScan for n bytes, a multiple of 128 and not 0.")
	exponent, step := broadcast("exponent"), broadcast("step")
	scan("carries", func(word, masked VecVirtual) {
		VPAND(exponent, word, masked)
		VPADDQ(step, masked, masked)
	})
}

// scanCodes writes the scan of int8 codes.
func scanCodes() {
	TEXT("scanCodesAVX2", NOSPLIT, "func(data *byte, n int, rest uint64, lowest, any *[4]uint64)")
	Pragma("noescape")
	Doc("scanCodesAVX2 is plainScanCodes for n bytes, a multiple of 128 and not 0.")
	rest := broadcast("rest")
	scan("lowest", func(word, masked VecVirtual) {
		VPAND(rest, word, masked)
		VPADDQ(rest, masked, masked)
		VPANDN(word, masked, masked)
	})
}

func broadcast(name string) VecVirtual {
	x, all := XMM(), YMM()
	VMOVQ(parameter(name), x)
	VPBROADCASTQ(x, all)
	return all
}

// scan writes the loop and the end: what see makes of the words is collected
// where found points to, the words themselves in any.
func scan(found string, see func(word, masked VecVirtual)) {
	data, n := parameter("data"), parameter("n")
	marks, words := YMM(), YMM()
	VPXOR(marks, marks, marks)
	VPXOR(words, words, words)
	Label("turn")
	for i := range scanRegisters {
		word, masked := YMM(), YMM()
		VMOVDQU(Mem{Base: data, Disp: i * registerBytes}, word)
		see(word, masked)
		VPOR(word, words, words)
		VPOR(masked, marks, marks)
	}
	ADDQ(U32(scanRegisters*registerBytes), data)
	SUBQ(U32(scanRegisters*registerBytes), n)
	JNE(LabelRef("turn"))
	VMOVDQU(marks, Mem{Base: parameter(found)})
	VMOVDQU(words, Mem{Base: parameter("any")})
	VZEROUPPER()
	RET()
}
