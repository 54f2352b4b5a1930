package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func peaksAVX512() {
	begin("peaksAVX512", peaksSignature, "plainPeaks")
	dst, x := parameter("dst"), parameter("x")
	peak, v, mask := ZMM(), ZMM(), ZMM()
	VMOVDQU32(absolute, mask)
	groups(16, x, nil,
		func() { VPXORD(peak, peak, peak) },
		func(e elements) {
			VPANDD(e.floats, mask, v)
			VPMAXUD(v, peak, peak)
		},
		func() {
			half := YMM()
			VEXTRACTI64X4(U8(1), peak, half)
			VPMAXUD(half, peak.AsY(), half)
			storePeak(half, dst)
		})
	VZEROUPPER()
	RET()
}

// encodeAVX512 writes the loop of plainEncode; names are those used there. Lanes
// of float32 are kept twice, and squares of 16 elements added in two goes.
func encodeAVX512() {
	begin("encodeAVX512", encodeSignature, "plainEncode")
	codes, x, scales := parameter("codes"), parameter("x"), parameter("scales")
	scale := ZMM()
	squares, errors := ZMM(), ZMM()
	worst, low, high := ZMM(), ZMM(), ZMM()
	clipped, zeros := GP64(), GP64()
	mask, max, min, far := ZMM(), ZMM(), ZMM(), ZMM()
	VMOVDQU32(absolute, mask)
	VMOVUPS(upper, max)
	VMOVUPS(lower, min)
	VMOVUPS(limit, far)
	VMOVUPD(Mem{Base: parameter("squares")}, squares)
	VMOVUPD(Mem{Base: parameter("errors")}, errors)
	VBROADCASTF64X4(Mem{Base: parameter("worst")}, worst)
	VBROADCASTF64X4(Mem{Base: parameter("low")}, low)
	VBROADCASTF64X4(Mem{Base: parameter("high")}, high)
	XORQ(clipped, clipped)
	XORQ(zeros, zeros)
	groups(16, x, codes, nextScale(scales, scale), func(e elements) {
		v, q, d, wide := ZMM(), ZMM(), ZMM(), ZMM()
		VMOVUPS(e.floats, v)
		VMINPS(v, low, low)
		VMAXPS(v, high, high)
		for _, half := range []int{0, 8} {
			VCVTPS2PD(e.at(half), wide)
			VFMADD231PD(wide, wide, squares)
		}
		VDIVPS(scale, v, q)
		VPANDD(mask, q, d)
		countMask(clipped, func(k Register) { VCMPPS(U8(0x0d), far, d, k) }) // d ≥ far
		VMINPS(max, q, q)
		VMAXPS(min, q, q)
		VCVTPS2DQ(q, q)
		VPMOVSDB(q, e.bytes)
		countMask(zeros, func(k Register) { VPTESTNMD(q, q, k) })
		VCVTDQ2PS(q, q)
		VMULPS(scale, q, q)
		VSUBPS(q, v, d)
		addSquares512(d, errors)
		VPANDD(mask, d, d)
		VMAXPS(d, worst, worst)
	}, nothing)
	store("squares", 0, squares, VMOVUPD)
	store("errors", 0, errors, VMOVUPD)
	store("worst", 0, halved(worst, VMAXPS), VMOVUPS)
	store("low", 0, halved(low, VMINPS), VMOVUPS)
	store("high", 0, halved(high, VMAXPS), VMOVUPS)
	Store(clipped, ReturnIndex(0))
	Store(zeros, ReturnIndex(1))
	VZEROUPPER()
	RET()
}

// addSquares512 writes the addition of the squares of 16 elements to 8 lanes.
func addSquares512(d, sums VecVirtual) {
	wide, half := ZMM(), YMM()
	VCVTPS2PD(d.AsY(), wide)
	VFMADD231PD(wide, wide, sums)
	VEXTRACTF64X4(U8(1), d, half)
	VCVTPS2PD(half, wide)
	VFMADD231PD(wide, wide, sums)
}

// countMask writes the addition of the number of lanes for which test is true.
func countMask(total Register, test func(k Register)) {
	k, bits := K(), GP32()
	test(k)
	KMOVW(k, bits)
	count(bits, total)
}

// halved writes the union of both halves.
func halved(v VecVirtual, union func(...Op)) VecVirtual {
	half := YMM()
	VEXTRACTF64X4(U8(1), v, half)
	union(half, v.AsY(), half)
	return half
}

func trialAVX512() {
	begin("trialAVX512", trialSignature, "plainTrial")
	x, n, index := parameter("x"), parameter("n"), GP64()
	inverses, sums := parameter("inverses"), parameter("sums")
	max, min, v := ZMM(), ZMM(), ZMM()
	VMOVUPS(upper, max)
	VMOVUPS(lower, min)
	var inverse, sum [trials]VecVirtual
	for t := range trials {
		inverse[t], sum[t] = ZMM(), ZMM()
		VBROADCASTSS(Mem{Base: inverses, Disp: t * floatBytes}, inverse[t])
		VPXORD(sum[t], sum[t], sum[t])
	}
	XORQ(index, index)
	Label("piece")
	VMOVUPS(Mem{Base: x, Index: index, Scale: floatBytes}, v)
	for t := range trials {
		r, q := ZMM(), ZMM()
		VMULPS(inverse[t], v, r)
		VMINPS(max, r, q)
		VMAXPS(min, q, q)
		VRNDSCALEPS(U8(0), q, q) // to the nearest integer, ties to even
		VSUBPS(q, r, r)
		VMULPS(r, r, r)
		VADDPS(r, sum[t], sum[t])
	}
	ADDQ(U8(16), index)
	CMPQ(index, n)
	JLT(LabelRef("piece"))
	for t := range trials {
		half := YMM()
		VEXTRACTF64X4(U8(1), sum[t], half)
		VADDPS(half, sum[t].AsY(), half)
		storeSum(half, Mem{Base: sums, Disp: t * floatBytes})
	}
	VZEROUPPER()
	RET()
}

func decodeAVX512() {
	begin("decodeAVX512", decodeSignature, "plainDecode")
	dst, codes, scales, scale := parameter("dst"), parameter("codes"), parameter("scales"), ZMM()
	groups(16, dst, codes, nextScale(scales, scale), func(e elements) {
		q := ZMM()
		VPMOVSXBD(e.bytes, q)
		VCVTDQ2PS(q, q)
		VMULPS(scale, q, q)
		VMOVUPS(q, e.floats)
	}, nothing)
	VZEROUPPER()
	RET()
}
