package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func classify() {
	begin("classifyAVX2", "(e *float64, n int, bound float64, classes *uint32, top *float64) (small int)", "is plainClassify")
	es, classes, bound := parameter("e"), parameter("classes"), everywhere("bound")
	top, small := zeros(), counter()
	half, shift, last, none := words(1<<20), words(lowestClass), words(classCount-1), zero()
	loop(func(g elements) {
		var e group
		for h := range e {
			below := YMM()
			e[h] = YMM()
			VMOVUPD(g.at(es, h), e[h])
			VANDPD(magnitude, e[h], e[h])
			VMAXPD(e[h], top[h], top[h])
			VCMPPD(less, bound, e[h], below)
			count(below, small)
		}
		class := join(e[0], e[1])
		VPADDD(half, class, class)
		VPSRLD(U8(21), class, class)
		VPSUBD(shift, class, class)
		VPMAXSD(none, class, class)
		VPMINSD(last, class, class)
		VMOVDQU(class, g.narrow(classes))
	})
	top.store(parameter("top"), 0)
	Store(small, ReturnIndex(0))
	end()
}

// The classes of magnitudes of package metric: the first of those of all exponents
// that is one of its own, and how many it has.
const (
	lowestClass = 480
	classCount  = 64
)

func distances32() {
	distances("distances32AVX2", "stores the distances in units of float32, or farthest+1 for elements in the small-value domain, and the largest of each lane outside it; it counts those that are not 0 and the small elements", 0x7fffffff, func() func(VecVirtual) {
		return func(VecVirtual) {} // they are rounded already
	})
}

func distances16() {
	distances("distances16AVX2", "is distances32AVX2 in units of bfloat16", 0x7fff, func() func(VecVirtual) {
		one, half := words(1), words(0x7fff) // just under half a step
		return func(v VecVirtual) {
			odd := YMM()
			VPSRLD(U8(16), v, odd)
			VPAND(one, odd, odd)
			VPADDD(half, odd, odd)
			VPADDD(odd, v, v)
			VPSRAD(U8(16), v, v)
		}
	})
}

// distances writes a function that rounds to float32, and then to what rounding's
// result makes of it, and counts the values between. value is a code's part
// without the sign.
func distances(name, does string, value uint32, rounding func() func(VecVirtual)) {
	begin(name, "(a, e *float64, n int, bound float64, distances, most *uint32) (differing, small int)", does)
	as, es, ds, bound := parameter("a"), parameter("e"), parameter("distances"), everywhere("bound")
	differing, smalls, most, none, unsigned, round := counter(), counter(), zero(), zero(), words(value), rounding()
	ordinals := func(array Register, g elements) VecVirtual {
		low, high, v, negative := XMM(), XMM(), YMM(), YMM()
		VCVTPD2PSY(g.at(array, 0), low)
		VCVTPD2PSY(g.at(array, 1), high)
		VINSERTF128(U8(1), high, low.AsY(), v)
		round(v)
		VPSRAD(U8(31), v, negative)
		VPAND(unsigned, v, v)
		VPXOR(negative, v, v)
		VPSUBD(negative, v, v)
		return v
	}
	loop(func(g elements) {
		a, e := ordinals(as, g), ordinals(es, g)
		d, equal, bits := YMM(), YMM(), GP32()
		VPMAXSD(a, e, d)
		VPMINSD(a, e, a)
		VPSUBD(a, d, d)
		VPCMPEQD(none, d, equal)
		VMOVMSKPS(equal, bits)
		XORL(U32(0xff), bits)
		POPCNTL(bits, bits)
		ADDQ(bits.As64(), differing)
		var small group
		for h := range small {
			small[h] = YMM()
			VMOVUPD(g.at(es, h), small[h])
			VANDPD(magnitude, small[h], small[h])
			VCMPPD(less, bound, small[h], small[h])
			count(small[h], smalls)
		}
		ignored, farther := join(small[0], small[1]), YMM()
		VPANDN(d, ignored, farther)
		VPMAXUD(farther, most, most)
		VPOR(ignored, d, d)
		VMOVDQU(d, g.narrow(ds))
	})
	VMOVDQU(most, Mem{Base: parameter("most")})
	Store(differing, ReturnIndex(0))
	Store(smalls, ReturnIndex(1))
	end()
}

func exceed() {
	begin("exceedAVX2", "(d, e *float64, n int, atol, rtol, used, leastAtol, leastRtol, bound float64, most *float64) (outside, records int)",
		"is recordsAVX2 for a band: it also counts the elements outside")
	atol, rtol, used, leastAtol, outside := everywhere("atol"), everywhere("rtol"), everywhere("used"), everywhere("leastAtol"), counter()
	record := extremes(func(abs, ref, record VecVirtual) (over VecVirtual) {
		t := YMM()
		over = YMM()
		VSUBPD(atol, abs, over)

		VMULPD(rtol, ref, ref) // |d| − rtol·|e| > leastAtol
		VSUBPD(ref, abs, t)
		VCMPPD(greater, leastAtol, t, t)
		VORPD(t, record, record)

		VADDPD(atol, ref, ref) // |d| > used·allowed
		VMULPD(used, ref, t)
		VCMPPD(greater, t, abs, t)
		VORPD(t, record, record)

		VCMPPD(greater, ref, abs, t)
		count(t, outside)
		return over
	})
	Store(outside, ReturnIndex(0))
	Store(counted(record), ReturnIndex(1))
	end()
}

func records() {
	begin("recordsAVX2", "(d, e *float64, n int, leastRtol, bound float64, most *float64) (records int)",
		"counts lanes that may have records of the smallest rtol, and stores the largest |d| of each lane: of all, and of those with |e| below bound")
	record := extremes(func(abs, _, _ VecVirtual) (over VecVirtual) { return abs })
	Store(counted(record), ReturnIndex(0))
	end()
}

// extremes writes the loop of both functions above. band may add to the record and
// use up ref; it returns what of |d| is to be held against leastRtol·|e|.
func extremes(band func(abs, ref, record VecVirtual) (over VecVirtual)) (record VecVirtual) {
	ds, es, leastRtol, bound := parameter("d"), parameter("e"), everywhere("leastRtol"), everywhere("bound")
	most, smallMost, record := zeros(), zeros(), zero()
	loop(func(g elements) {
		for h := range halves {
			abs, ref, t := YMM(), YMM(), YMM()
			VMOVUPD(g.at(es, h), ref)
			VANDPD(magnitude, ref, ref)
			VMOVUPD(g.at(ds, h), abs)
			VANDPD(magnitude, abs, abs)
			VMAXPD(abs, most[h], most[h])

			VCMPPD(less, bound, ref, t)
			VANDPD(abs, t, t)
			VMAXPD(t, smallMost[h], smallMost[h])

			VMULPD(leastRtol, ref, t)
			VCMPPD(greater, t, band(abs, ref, record), t)
			VORPD(t, record, record)
		}
	})
	array := parameter("most")
	most.store(array, 0)
	smallMost.store(array, 1)
	return record
}

func counted(mask VecVirtual) Register {
	n := counter()
	count(mask, n)
	return n
}

func countClasses() {
	begin("countClassesAVX2", "(classes *uint32, n int, first uint32, counts *uint32)", "counts the elements of 8 classes from first on")
	classes, next, one := parameter("classes"), YMM(), words(1)
	VMOVD(Load(Param("first"), GP32()), next.AsX())
	VPBROADCASTD(next.AsX(), next)
	var found [lanes]VecVirtual
	for i := range found {
		found[i] = zero()
	}
	loop(func(g elements) {
		v, c := YMM(), YMM()
		VMOVDQU(g.narrow(classes), v)
		VMOVDQA(next, c)
		for i := range found {
			equal := YMM()
			VPCMPEQD(v, c, equal)
			VPSUBD(equal, found[i], found[i])
			if i < lanes-1 {
				VPADDD(one, c, c)
			}
		}
	})
	counts := parameter("counts")
	for i, f := range found {
		VMOVDQU(f, Mem{Base: counts, Disp: i * halfBytes})
	}
	end()
}

func addColumns() {
	begin("addColumnsAVX2", "(d *float64, distances *uint32, n int, diff, err2 *float64, distant *uint32)", "adds to the sums of as many columns: d, d², and the number of distances from 2 to farthest")
	ds, distances := parameter("d"), parameter("distances")
	diff, err2, distant := parameter("diff"), parameter("err2"), parameter("distant")
	two, most := words(2), words(farthest-2)
	loop(func(g elements) {
		for h := range halves {
			d, sum := YMM(), YMM()
			VMOVUPD(g.at(ds, h), d)
			VADDPD(g.at(diff, h), d, sum)
			VMOVUPD(sum, g.at(diff, h))
			VMULPD(d, d, d)
			VADDPD(g.at(err2, h), d, d)
			VMOVUPD(d, g.at(err2, h))
		}
		beyond, near, sum := YMM(), YMM(), YMM()
		VMOVDQU(g.narrow(distances), beyond)
		VPSUBD(two, beyond, beyond)
		VPMINUD(most, beyond, near)
		VPCMPEQD(near, beyond, beyond) // −1 where it is 2 to farthest
		VMOVDQU(g.narrow(distant), sum)
		VPSUBD(beyond, sum, sum)
		VMOVDQU(sum, g.narrow(distant))
	})
	end()
}

// farthest is the largest distance; the one above stands for elements in the
// small-value domain.
const farthest = 0xfffffffe
