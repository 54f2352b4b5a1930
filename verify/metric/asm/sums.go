package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/reg"
)

func squares() {
	begin("squaresAVX2", "(e *float64, n int, sums *float64)", "is plainSquares")
	e, sum := parameter("e"), zeros()
	loop(func(g elements) {
		for h := range halves {
			v := YMM()
			VMOVUPD(g.at(e, h), v)
			addProduct(v, v, sum[h])
		}
	})
	sum.store(parameter("sums"), 0)
	end()
}

func subtract() {
	begin("subtractAVX2", "(a, e, d *float64, n int, sums *float64) (differing int)", "is plainSubtract")
	as, es, ds := parameter("a"), parameter("e"), parameter("d")
	err2, ref2, got2, dot, diff := zeros(), zeros(), zeros(), zeros(), zeros()
	none, differing := zero(), counter()
	loop(func(g elements) {
		for h := range halves {
			a, e, d := YMM(), YMM(), YMM()
			VMOVUPD(g.at(as, h), a)
			VMOVUPD(g.at(es, h), e)
			VSUBPD(e, a, d)
			VMOVUPD(d, g.at(ds, h))
			VADDPD(d, diff[h], diff[h])
			addProduct(a, e, dot[h])
			addProduct(a, a, got2[h])
			addProduct(e, e, ref2[h])
			addProduct(d, d, err2[h])
			VCMPPD(unequal, none, d, d)
			count(d, differing)
		}
	})
	sums := parameter("sums")
	for i, g := range []group{err2, ref2, got2, dot, diff} {
		g.store(sums, i)
	}
	Store(differing, ReturnIndex(0))
	end()
}

func addErrors() {
	begin("addErrorsAVX2", "(a, e, x *float64, n int, sums *float64)", "is plainAddErrors")
	as, es, xs := parameter("a"), parameter("e"), parameter("x")
	golden, candidate, exact, changes, goldenMax, candidateMax := zeros(), zeros(), zeros(), zeros(), zeros(), zeros()
	loop(func(g elements) {
		for h := range halves {
			a, e, x := YMM(), YMM(), YMM()
			VMOVUPD(g.at(xs, h), x)
			addProduct(x, x, exact[h])
			VMOVUPD(g.at(as, h), a)
			VMOVUPD(g.at(es, h), e)
			VSUBPD(x, a, a)
			VSUBPD(x, e, e)
			VANDPD(magnitude, a, x)
			VMAXPD(x, candidateMax[h], candidateMax[h])
			VANDPD(magnitude, e, x)
			VMAXPD(x, goldenMax[h], goldenMax[h])
			VMULPD(a, a, a)
			VMULPD(e, e, e)
			VADDPD(a, candidate[h], candidate[h])
			VADDPD(e, golden[h], golden[h])
			VSUBPD(e, a, a)
			addProduct(a, a, changes[h])
		}
	})
	sums := parameter("sums")
	for i, g := range []group{golden, candidate, exact, changes, goldenMax, candidateMax} {
		g.store(sums, i)
	}
	end()
}

func counter() Register {
	n := GP64()
	XORQ(n, n)
	return n
}
