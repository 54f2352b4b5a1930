package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// tileAVX2 writes the kernel of rows × cols dot products, a part of a tile. Two
// registers hold the 16 lanes of one of them.
func tileAVX2(rows, cols int) {
	const halves, halfBytes = 2, lanes / 2 * floatBytes
	masks := tailMasks()
	name := fmt.Sprintf("tile%dx%dAVX2", rows, cols)
	TEXT(name, NOSPLIT, fmt.Sprintf("func(out *float32, x *[%d][]float32, w *[%d][]float32)", rows, cols))
	Doc(fmt.Sprintf("%s computes %d rows and %d columns of the tile that out points into.", name, rows, cols))
	x, length := rowPointers("x", rows)
	w, _ := rowPointers("w", cols)

	acc := make([][halves]VecVirtual, rows*cols)
	for i := range acc {
		for h := range halves {
			acc[i][h] = YMM()
			VXORPS(acc[i][h], acc[i][h], acc[i][h])
		}
	}
	half := func(h int, load func(m Mem, y VecVirtual), offset Register) {
		xs := make([]VecVirtual, rows)
		for r := range xs {
			xs[r] = YMM()
			load(Mem{Base: x[r], Index: offset, Scale: 1, Disp: h * halfBytes}, xs[r])
		}
		for c := range cols {
			ws := YMM()
			load(Mem{Base: w[c], Index: offset, Scale: 1, Disp: h * halfBytes}, ws)
			for r := range xs {
				VFMADD231PS(ws, xs[r], acc[r*cols+c][h])
			}
		}
	}
	loop(length,
		func(offset Register) {
			for h := range halves {
				half(h, func(m Mem, y VecVirtual) { VMOVUPS(m, y) }, offset)
			}
		},
		func(offset, left Register) {
			at := GP64()
			LEAQ(masks, at)
			NEGQ(left)
			for h := range halves {
				half(h, func(m Mem, y VecVirtual) {
					// A masked load sets y itself, so that it serves as its mask.
					VMOVUPS(Mem{Base: at, Index: left, Scale: floatBytes, Disp: lanes*floatBytes + h*halfBytes}, y)
					VMASKMOVPS(m, y, y)
				}, offset)
			}
		})

	out := Load(Param("out"), GP64())
	for i, a := range acc {
		sum := addHalves(a[0], a[1])
		VMOVSS(sum, Mem{Base: out, Disp: floatBytes * (i/cols*tileCols + i%cols)})
	}
	VZEROUPPER()
	RET()
}

// tailMasks returns a table of 16 set and 16 clear lanes: from lane 16−n on it
// is a mask of n lanes.
func tailMasks() Mem {
	table := GLOBL("tailMasks", RODATA|NOPTR)
	for i := range 2 * lanes {
		set := I32(0)
		if i < lanes {
			set = -1
		}
		DATA(i*floatBytes, set)
	}
	return table
}

// addHalves adds 16 lanes by halves until one is left.
func addHalves(lower, upper VecVirtual) Register {
	VADDPS(upper, lower, lower)
	a, b := lower.AsX(), XMM()
	VEXTRACTF128(U8(1), lower, b)
	VADDPS(b, a, a)
	VMOVHLPS(a, a, b)
	VADDPS(b, a, a)
	VMOVSHDUP(a, b)
	VADDSS(b, a, a)
	return a
}
