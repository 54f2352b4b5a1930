package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// measureAVX2 keeps the lanes of float64 in two registers.
func measureAVX2() {
	begin("measureAVX2")
	var at [3]Mem
	var sums [3][2]VecVirtual
	for i, name := range []string{"squares", "errors", "worst"} {
		at[i] = Mem{Base: parameter(name)}
		for h := range sums[i] {
			sums[i][h] = YMM()
			VMOVUPD(at[i].Offset(32*h), sums[i][h])
		}
	}
	squares, errors, worst := sums[0], sums[1], sums[2]
	peaks, peak, underflow := Mem{Base: parameter("peaks")}, YMM(), GP64()
	VMOVDQU(peaks, peak)
	XORQ(underflow, underflow)
	loop(func(x, y Mem) {
		for h := range 2 {
			a, d := YMM(), YMM()
			VCVTPS2PD(x.Offset(16*h), a)
			VCVTPS2PD(y.Offset(16*h), d)
			VSUBPD(a, d, d)
			addSquare(a, squares[h], YMM())
			addSquare(d, errors[h], YMM())
			VANDPD(wide, d, d)
			VMAXPD(d, worst[h], worst[h])
		}
		source := YMM()
		VMOVUPS(x, source)
		countLost(source, y, underflow)
		VPAND(narrow, source, source)
		VPMAXUD(source, peak, peak)
	})
	for i := range sums {
		for h, v := range sums[i] {
			VMOVUPD(v, at[i].Offset(32*h))
		}
	}
	VMOVDQU(peak, peaks)
	end(underflow)
}

// countLost is countLost512 for AVX2.
func countLost(source VecVirtual, stored Mem, underflow Register) {
	zero, vanished, lost, bits := YMM(), YMM(), YMM(), GP32()
	VPXOR(zero, zero, zero)
	VCMPPS(U8(equal), stored, zero, vanished)
	VCMPPS(U8(unequal), zero, source, lost)
	VANDPS(vanished, lost, lost)
	VMOVMSKPS(lost, bits)
	POPCNTL(bits, bits)
	ADDQ(bits.As64(), underflow)
}
