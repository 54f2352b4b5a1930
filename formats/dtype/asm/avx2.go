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
