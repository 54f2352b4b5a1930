package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

func widenF16AVX512() {
	begin("widenF16AVX512", widenSignature, "is plainWidenF16 for")
	loop("dst", "src", func(floats, codes Mem) {
		v := ZMM()
		VCVTPH2PS(codes, v)
		VMOVUPS(v, floats)
	})
}

func narrowF16AVX512() {
	begin("narrowF16AVX512", narrowSignature, "is plainNarrowF16 for")
	loop("src", "dst", func(floats, codes Mem) {
		v := ZMM()
		VMOVUPS(floats, v)
		VCVTPS2PH(U8(nearestEven), v, codes)
	})
}

func widenBF16AVX512() {
	begin("widenBF16AVX512", widenSignature, "is plainWidenBF16 for")
	loop("dst", "src", func(floats, codes Mem) {
		v := ZMM()
		VPMOVZXWD(codes, v)
		VPSLLD(U8(16), v, v)
		VMOVDQU32(v, floats)
	})
}

// narrowBF16AVX512 does not use VCVTNEPS2BF16, which turns subnormals into zero.
func narrowBF16AVX512() {
	begin("narrowBF16AVX512", narrowSignature, "is plainNarrowBF16 for")
	one, half, quiet := words(1, ZMM()), words(belowHalf, ZMM()), words(bf16Quiet, ZMM())
	loop("src", "dst", func(floats, codes Mem) {
		v, up, nan := ZMM(), ZMM(), K()
		VMOVDQU32(floats, v)
		VCMPPS(U8(unordered), v, v, nan)
		VPSRLD(U8(16), v, up)
		VPANDD(one, up, up)
		VPADDD(half, up, up)
		VPADDD(v, up, up)
		VPORD(quiet, v, nan, up)
		VPSRLD(U8(16), up, up)
		VPMOVDW(up, codes)
	})
}
