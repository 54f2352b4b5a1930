package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// halves is the number of registers that hold the 16 lanes of a dot product.
const (
	halves    = 2
	halfBytes = lanes / halves * floatBytes
)

// tileAVX2 writes the kernel of rows × cols dot products, a part of a tile.
func tileAVX2(rows, cols int) {
	masks := tailMasks()
	name := fmt.Sprintf("tile%dx%dAVX2", rows, cols)
	TEXT(name, NOSPLIT, fmt.Sprintf(
		"func(sums *float32, state *[%d]float32, x *[%d][]float32, w *[%d][]float32, first, last bool)", lanes, rows, cols))
	Doc(fmt.Sprintf("%s does a step for the %d × %d dot products of a tile that begin where sums and state point.", name, rows, cols))
	acc := make([][halves]VecVirtual, rows*cols)
	for i := range acc {
		acc[i] = [halves]VecVirtual{YMM(), YMM()}
	}
	// at is the place in the tile of the dot product i of this part.
	at := func(i int) int { return i/cols*tileCols + i%cols }
	eachState := func(do func(m Mem, y VecVirtual)) func() {
		return func() {
			state := Load(Param("state"), GP64())
			for i := range acc {
				for h := range halves {
					do(Mem{Base: state, Disp: (at(i)*halves + h) * halfBytes}, acc[i][h])
				}
			}
		}
	}
	begin(
		eachState(func(_ Mem, y VecVirtual) { VXORPS(y, y, y) }),
		eachState(func(m Mem, y VecVirtual) { VMOVUPS(m, y) }))
	multiplyHalves(acc, rows, cols, masks)
	end(
		func() {
			sums := Load(Param("sums"), GP64())
			for i, a := range acc {
				VMOVSS(addHalves(a[0], a[1]), Mem{Base: sums, Disp: floatBytes * at(i)})
			}
		},
		eachState(func(m Mem, y VecVirtual) { VMOVUPS(y, m) }))
}

// multiplyHalves writes the loop over the elements.
func multiplyHalves(acc [][halves]VecVirtual, rows, cols int, masks Mem) {
	x, length := rowPointers("x", rows)
	w, _ := rowPointers("w", cols)
	step := func(offset Register, load func(h int, m Mem, y VecVirtual)) {
		for h := range halves {
			xs := make([]VecVirtual, rows)
			for r := range xs {
				xs[r] = YMM()
				load(h, Mem{Base: x[r], Index: offset, Scale: 1, Disp: h * halfBytes}, xs[r])
			}
			for c := range cols {
				ws := YMM()
				load(h, Mem{Base: w[c], Index: offset, Scale: 1, Disp: h * halfBytes}, ws)
				for r := range xs {
					VFMADD231PS(ws, xs[r], acc[r*cols+c][h])
				}
			}
		}
	}
	loop(length,
		func(offset Register) {
			step(offset, func(_ int, m Mem, y VecVirtual) { VMOVUPS(m, y) })
		},
		func(offset, left Register) {
			table := GP64()
			LEAQ(masks, table)
			NEGQ(left)
			step(offset, func(h int, m Mem, y VecVirtual) {
				// A masked load sets y itself, so that it serves as its mask.
				VMOVUPS(Mem{Base: table, Index: left, Scale: floatBytes, Disp: lanes*floatBytes + h*halfBytes}, y)
				VMASKMOVPS(m, y, y)
			})
		})
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
