package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func measureAVX512() {
	begin("measureAVX512")
	var at [3]Mem
	var sums [3]VecVirtual
	for i, name := range []string{"squares", "errors", "worst"} {
		at[i], sums[i] = Mem{Base: parameter(name)}, ZMM()
		VMOVUPD(at[i], sums[i])
	}
	squares, errors, worst := sums[0], sums[1], sums[2]
	peaks, peak, zero, underflow := Mem{Base: parameter("peaks")}, YMM(), YMM(), GP64()
	narrowMask, wideMask := YMM(), ZMM()
	VMOVDQU(peaks, peak)
	VMOVDQU(narrow, narrowMask)
	VMOVDQU64(wide, wideMask)
	VPXOR(zero, zero, zero)
	XORQ(underflow, underflow)
	loop(func(x, y Mem) {
		source, stored, a, d := YMM(), YMM(), ZMM(), ZMM()
		VMOVUPS(x, source)
		VMOVUPS(y, stored)
		VCVTPS2PD(source, a)
		VCVTPS2PD(stored, d)
		countLost512(source, stored, zero, underflow)
		VPAND(narrowMask, source, source)
		VPMAXUD(source, peak, peak)
		VSUBPD(a, d, d)
		addSquare(a, squares, ZMM())
		addSquare(d, errors, ZMM())
		VPANDQ(wideMask, d, d)
		VMAXPD(d, worst, worst)
	})
	for i, v := range sums {
		VMOVUPD(v, at[i])
	}
	VMOVDQU(peak, peaks)
	end(underflow)
}

// addSquare writes sum += v², rounded twice.
func addSquare(v, sum, square VecVirtual) {
	VMULPD(v, v, square)
	VADDPD(square, sum, sum)
}

// countLost512 writes the addition of the number of elements that are stored as
// zero and are none.
func countLost512(source, stored, zero VecVirtual, underflow Register) {
	vanished, lost, bits := K(), K(), GP32()
	VCMPPS(U8(equal), zero, stored, vanished)
	VCMPPS(U8(unequal), zero, source, vanished, lost)
	KMOVW(lost, bits)
	POPCNTL(bits, bits)
	ADDQ(bits.As64(), underflow)
}
