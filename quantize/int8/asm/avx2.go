package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func peaksAVX2() {
	begin("peaksAVX2", peaksSignature, "plainPeaks")
	dst, x := parameter("dst"), parameter("x")
	peak, mask := [2]VecVirtual{YMM(), YMM()}, YMM()
	VMOVDQU(absolute, mask)
	groups(16, x, nil,
		func() {
			for _, p := range peak {
				VPXOR(p, p, p)
			}
		},
		func(e elements) {
			for i, p := range peak {
				v := YMM()
				VPAND(e.at(8*i), mask, v)
				VPMAXUD(v, p, p)
			}
		},
		func() {
			VPMAXUD(peak[0], peak[1], peak[1])
			storePeak(peak[1], dst)
		})
	VZEROUPPER()
	RET()
}

// storePeak writes the largest of eight lanes to dst and moves that on.
func storePeak(v VecVirtual, dst Register) {
	a, b := v.AsX(), XMM()
	VEXTRACTI128(U8(1), v, b)
	VPMAXUD(b, a, a)
	VPSHUFD(U8(0x4e), a, b)
	VPMAXUD(b, a, a)
	VPSHUFD(U8(0xb1), a, b)
	VPMAXUD(b, a, a)
	VMOVD(a, Mem{Base: dst})
	ADDQ(U8(floatBytes), dst)
}

// encodeAVX2 writes the loop of plainEncode; names are those used there.
func encodeAVX2() {
	begin("encodeAVX2", encodeSignature, "plainEncode")
	codes, x, scales := parameter("codes"), parameter("x"), parameter("scales")
	scale := YMM()
	squares, errors := [2]VecVirtual{YMM(), YMM()}, [2]VecVirtual{YMM(), YMM()}
	worst, low, high := YMM(), YMM(), YMM()
	clipped, zeros := GP64(), GP64()
	loadHalves("squares", squares)
	loadHalves("errors", errors)
	VMOVUPS(Mem{Base: parameter("worst")}, worst)
	VMOVUPS(Mem{Base: parameter("low")}, low)
	VMOVUPS(Mem{Base: parameter("high")}, high)
	XORQ(clipped, clipped)
	XORQ(zeros, zeros)
	groups(8, x, codes, nextScale(scales, scale), func(e elements) {
		v, q, d := YMM(), YMM(), YMM()
		VMOVUPS(e.floats, v)
		VMINPS(v, low, low)
		VMAXPS(v, high, high)
		for i, sum := range squares {
			wide := YMM()
			VCVTPS2PD(e.at(4*i), wide)
			VFMADD231PD(wide, wide, sum)
		}
		VDIVPS(scale, v, q)
		VANDPS(absolute, q, d)
		VCMPPS(U8(0x0d), limit, d, d) // d ≥ limit
		countLanes(clipped, d)
		VMINPS(upper, q, q)
		VMAXPS(lower, q, q)
		VCVTPS2DQ(q, q)
		storeBytes(q, e.bytes)
		VPXOR(d, d, d)
		VPCMPEQD(q, d, d)
		countLanes(zeros, d)
		VCVTDQ2PS(q, q)
		VMULPS(scale, q, q)
		VSUBPS(q, v, d)
		addSquares(d, errors)
		VANDPS(absolute, d, d)
		VMAXPS(d, worst, worst)
	}, nothing)
	for i := range 2 {
		store("squares", 32*i, squares[i], VMOVUPD)
		store("errors", 32*i, errors[i], VMOVUPD)
	}
	store("worst", 0, worst, VMOVUPS)
	store("low", 0, low, VMOVUPS)
	store("high", 0, high, VMOVUPS)
	Store(clipped, ReturnIndex(0))
	Store(zeros, ReturnIndex(1))
	VZEROUPPER()
	RET()
}

func loadHalves(param string, v [2]VecVirtual) {
	from := parameter(param)
	for i, half := range v {
		VMOVUPD(Mem{Base: from, Disp: 32 * i}, half)
	}
}

// addSquares writes the addition of the squares of 8 elements to as many lanes.
func addSquares(d VecVirtual, sums [2]VecVirtual) {
	wide, half := YMM(), XMM()
	VCVTPS2PD(d.AsX(), wide)
	VFMADD231PD(wide, wide, sums[0])
	VEXTRACTF128(U8(1), d, half)
	VCVTPS2PD(half, wide)
	VFMADD231PD(wide, wide, sums[1])
}

// countLanes writes the addition of the number of lanes that are set.
func countLanes(total Register, set VecVirtual) {
	bits := GP32()
	VMOVMSKPS(set, bits)
	count(bits, total)
}

// storeBytes writes eight integers, which fit, as bytes.
func storeBytes(q VecVirtual, to Mem) {
	packed, half := XMM(), XMM()
	VEXTRACTI128(U8(1), q, half)
	VPACKSSDW(half, q.AsX(), packed)
	VPACKSSWB(packed, packed, packed)
	VMOVQ(packed, to)
}

func trialAVX2() {
	begin("trialAVX2", trialSignature, "plainTrial")
	x, n, index := parameter("x"), parameter("n"), GP64()
	inverses, sums := parameter("inverses"), parameter("sums")
	var inverse [trials]VecVirtual
	var sum [trials][2]VecVirtual
	for t := range trials {
		inverse[t] = YMM()
		VBROADCASTSS(Mem{Base: inverses, Disp: t * floatBytes}, inverse[t])
		for h := range sum[t] {
			sum[t][h] = YMM()
			VXORPS(sum[t][h], sum[t][h], sum[t][h])
		}
	}
	XORQ(index, index)
	Label("piece")
	for t := range trials {
		for h, sum := range sum[t] {
			r, q := YMM(), YMM()
			VMULPS(Mem{Base: x, Index: index, Scale: floatBytes, Disp: 32 * h}, inverse[t], r)
			VMINPS(upper, r, q)
			VMAXPS(lower, q, q)
			VROUNDPS(U8(0), q, q) // to the nearest integer, ties to even
			VSUBPS(q, r, r)
			VMULPS(r, r, r)
			VADDPS(r, sum, sum)
		}
	}
	ADDQ(U8(16), index)
	CMPQ(index, n)
	JLT(LabelRef("piece"))
	for t := range trials {
		VADDPS(sum[t][1], sum[t][0], sum[t][0])
		storeSum(sum[t][0], Mem{Base: sums, Disp: t * floatBytes})
	}
	VZEROUPPER()
	RET()
}

// storeSum adds eight lanes by halves.
func storeSum(v VecVirtual, to Mem) {
	a, b := v.AsX(), XMM()
	VEXTRACTF128(U8(1), v, b)
	VADDPS(b, a, a)
	VMOVHLPS(a, a, b)
	VADDPS(b, a, a)
	VMOVSHDUP(a, b)
	VADDSS(b, a, a)
	VMOVSS(a, to)
}

func decodeAVX2() {
	begin("decodeAVX2", decodeSignature, "plainDecode")
	dst, codes, scales, scale := parameter("dst"), parameter("codes"), parameter("scales"), YMM()
	groups(8, dst, codes, nextScale(scales, scale), func(e elements) {
		q := YMM()
		VPMOVSXBD(e.bytes, q)
		VCVTDQ2PS(q, q)
		VMULPS(scale, q, q)
		VMOVUPS(q, e.floats)
	}, nothing)
	VZEROUPPER()
	RET()
}
