package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// tileAVX512 writes the kernel for rows rows of x. A register holds the 16 lanes
// of one of rows × tileCols dot products.
func tileAVX512(rows int) {
	name := fmt.Sprintf("tile%dx%dAVX512", rows, tileCols)
	TEXT(name, NOSPLIT, fmt.Sprintf(
		"func(sums *[%[1]d]float32, state *[%[1]d][%[2]d]float32, x *[%[3]d][]float32, w *[%[4]d][]float32, first, last bool)",
		tileRows*tileCols, lanes, tileRows, tileCols))
	Doc(fmt.Sprintf("%s does a step for the first %d × %d dot products of a tile.", name, rows, tileCols))
	acc := make([]VecVirtual, rows*tileCols)
	for i := range acc {
		acc[i] = ZMM()
	}
	eachState := func(do func(m Mem, z VecVirtual)) func() {
		return func() {
			state := Load(Param("state"), GP64())
			for i := range acc {
				do(Mem{Base: state, Disp: lanes * floatBytes * i}, acc[i])
			}
		}
	}
	begin(
		eachState(func(_ Mem, z VecVirtual) { VPXORD(z, z, z) }),
		eachState(func(m Mem, z VecVirtual) { VMOVUPS(m, z) }))
	multiply(acc, rows)
	end(
		func() {
			sums := Load(Param("sums"), GP64())
			for i := 0; i < len(acc); i += lanes {
				storeSums(Mem{Base: sums, Disp: floatBytes * i}, acc[i:min(i+lanes, len(acc))])
			}
		},
		eachState(func(m Mem, z VecVirtual) { VMOVUPS(z, m) }))
}

// multiply writes the loop over the elements.
func multiply(acc []VecVirtual, rows int) {
	x, length := rowPointers("x", rows)
	w, _ := rowPointers("w", tileCols)
	step := func(offset Register, load func(m Mem, z VecVirtual)) {
		xs := make([]VecVirtual, rows)
		for r := range xs {
			xs[r] = ZMM()
			load(Mem{Base: x[r], Index: offset, Scale: 1}, xs[r])
		}
		for c := range tileCols {
			ws := ZMM()
			load(Mem{Base: w[c], Index: offset, Scale: 1}, ws)
			for r := range xs {
				VFMADD231PS(ws, xs[r], acc[r*tileCols+c])
			}
		}
	}
	loop(length,
		func(offset Register) {
			step(offset, func(m Mem, z VecVirtual) { VMOVUPS(m, z) })
		},
		func(offset, left Register) {
			mask := tailMask(left)
			step(offset, func(m Mem, z VecVirtual) { VMOVUPS_Z(m, mask, z) })
		})
}

// tailMask returns a mask of the first left lanes.
func tailMask(left Register) Register {
	ones, mask := GP32(), K()
	MOVL(U32(1<<lanes-1), ones)
	BZHIL(left.(GP).As32(), ones, ones)
	KMOVW(ones, mask)
	return mask
}

// storeSums adds the lanes of each of up to 16 registers by halves and stores
// the sums in order. Registers are taken in pairs, and the upper halves of both
// are added to the lower halves of both at once. After four such rounds block b
// of a register holds in element e the sum of the register that stood in slot
// 4e+b to begin with; the slots are filled accordingly. Where fewer than 9
// registers are given, 8 sums are stored, the rest of them without meaning.
func storeSums(to Mem, acc []VecVirtual) {
	slots := make([]VecVirtual, lanes)
	for i := range slots {
		if sum := i%4*4 + i/4; sum < len(acc) {
			slots[i] = acc[sum]
		}
	}
	for _, round := range []struct {
		shuffle      func(ops ...Op)
		lower, upper uint8
	}{
		{VSHUFF32X4, 0x44, 0xee},
		{VSHUFF32X4, 0x88, 0xdd},
		{VSHUFPS, 0x44, 0xee},
		{VSHUFPS, 0x88, 0xdd},
	} {
		for i := range len(slots) / 2 {
			a, b := slots[2*i], slots[2*i+1]
			if a == nil {
				slots[i] = nil
				continue
			}
			if b == nil {
				b = a
			}
			lower, upper := ZMM(), ZMM()
			round.shuffle(U8(round.lower), b, a, lower)
			round.shuffle(U8(round.upper), b, a, upper)
			VADDPS(upper, lower, lower)
			slots[i] = lower
		}
		slots = slots[:len(slots)/2]
	}
	if len(acc) > lanes/2 {
		VMOVUPS(slots[0], to)
	} else {
		VMOVUPS(slots[0].AsY(), to)
	}
}
