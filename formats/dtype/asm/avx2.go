package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func widenF16F16C() {
	begin("widenF16F16C", widenSignature, "is plainWidenF16 for")
	loop("dst", "src", func(floats, codes Mem) {
		for i := range 2 {
			v := YMM()
			VCVTPH2PS(codes.Offset(16*i), v)
			VMOVUPS(v, floats.Offset(32*i))
		}
	})
}

func narrowF16F16C() {
	begin("narrowF16F16C", narrowSignature, "is plainNarrowF16 for")
	loop("src", "dst", func(floats, codes Mem) {
		for i := range 2 {
			v := YMM()
			VMOVUPS(floats.Offset(32*i), v)
			VCVTPS2PH(U8(nearestEven), v, codes.Offset(16*i))
		}
	})
}

func widenBF16AVX2() {
	begin("widenBF16AVX2", widenSignature, "is plainWidenBF16 for")
	loop("dst", "src", func(floats, codes Mem) {
		for i := range 2 {
			v := YMM()
			VPMOVZXWD(codes.Offset(16*i), v)
			VPSLLD(U8(16), v, v)
			VMOVDQU(v, floats.Offset(32*i))
		}
	})
}

func narrowBF16AVX2() {
	begin("narrowBF16AVX2", narrowSignature, "is plainNarrowBF16 for")
	one, half, quiet := words(1, YMM()), words(belowHalf, YMM()), words(bf16Quiet, YMM())
	loop("src", "dst", func(floats, codes Mem) {
		var up [2]VecVirtual
		for i := range up {
			v, nan := YMM(), YMM()
			up[i] = YMM()
			VMOVDQU(floats.Offset(32*i), v)
			VCMPPS(U8(unordered), v, v, nan)
			VPSRLD(U8(16), v, up[i])
			VPAND(one, up[i], up[i])
			VPADDD(half, up[i], up[i])
			VPADDD(v, up[i], up[i])
			VPOR(quiet, v, v)
			VBLENDVPS(nan, v, up[i], up[i])
			VPSRLD(U8(16), up[i], up[i])
		}
		packed := YMM()
		VPACKUSDW(up[1], up[0], packed)
		VPERMQ(U8(0b11_01_10_00), packed, packed) // it packs each 128 bits on their own
		VMOVDQU(packed, codes)
	})
}

// The three below widen to float64.

func widen64F32AVX2() {
	begin("widen64F32AVX2", widen64Signature, "converts from float32")
	widen64(floatBytes, func(codes Mem, v VecVirtual) { VCVTPS2PD(codes, v) })
}

func widen64F16F16C() {
	begin("widen64F16F16C", widen64Signature, "converts from F16")
	widen64(codeBytes, func(codes Mem, v VecVirtual) {
		narrow := XMM()
		VCVTPH2PS(codes, narrow)
		VCVTPS2PD(narrow, v)
	})
}

func widen64BF16AVX2() {
	begin("widen64BF16AVX2", widen64Signature, "converts from BF16")
	widen64(codeBytes, func(codes Mem, v VecVirtual) {
		narrow := XMM()
		VPMOVZXWD(codes, narrow)
		VPSLLD(U8(16), narrow, narrow)
		VCVTPS2PD(narrow, v)
	})
}

// widen64 writes the loop over codes of some bytes, four at a time.
func widen64(bytes uint8, cast func(codes Mem, v VecVirtual)) {
	scaled("dst", doubleBytes, "src", bytes, func(doubles, codes Mem) {
		for i := range 4 {
			v := YMM()
			cast(codes.Offset(4*i*int(bytes)), v)
			VMOVUPD(v, doubles.Offset(32*i))
		}
	})
}
