// Command asm writes the compression of package blake3 for amd64, sixteen nodes of
// the tree at a time: compress_amd64.s and compress_generated.go. Run it with
// `go generate` in that package. It is a module of its own so that the toolkit does
// not depend on the assembler.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

const (
	width      = 16 // nodes at a time, and words of a block
	wordBytes  = 4
	blockBytes = 64
	chunkBytes = 1024
	sumBytes   = 32
	rounds     = 7

	chunkStart, chunkEnd, parent = 1, 2, 4 // flags
)

var (
	iv = [8]uint32{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}
	// permutation is that of the message's words from round to round.
	permutation = [width]int{2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8}
	// mixes are the state's words that are mixed, one after the other.
	mixes = [8][4]int{{0, 4, 8, 12}, {1, 5, 9, 13}, {2, 6, 10, 14}, {3, 7, 11, 15}, {0, 5, 10, 15}, {1, 6, 11, 12}, {2, 7, 8, 13}, {3, 4, 9, 14}}
)

// The registers: a word of sixteen states or messages in each. Between blocks the
// first eight of the state hold the chaining values.
var (
	state   = [width]VecPhysical{Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7, Z8, Z9, Z10, Z11, Z12, Z13, Z14, Z15}
	message = [width]VecPhysical{Z16, Z17, Z18, Z19, Z20, Z21, Z22, Z23, Z24, Z25, Z26, Z27, Z28, Z29, Z30, Z31}
)

// ivs holds the initial values, one after the other; lanes the numbers 0 to 15.
var ivs, lanes Mem

func main() {
	ConstraintExpr("amd64")
	ivs = words("iv", iv[:])
	var numbers [width]uint32
	for i := range numbers {
		numbers[i] = uint32(i)
	}
	lanes = words("lanes", numbers[:])
	chunks()
	parents()
	Generate()
}

func words(name string, values []uint32) Mem {
	table := GLOBL(name, RODATA|NOPTR)
	for i, v := range values {
		DATA(wordBytes*i, U32(v))
	}
	return table
}

// chunks writes the compression of sixteen chunks, block by block.
func chunks() {
	TEXT("chunksAVX512", NOSPLIT, "func(values *[16][8]uint32, data *[16384]byte, counter uint64)")
	Pragma("noescape")
	Doc("chunksAVX512 sets values to the chaining values of sixteen chunks, the first of which has the given number.")
	low, high := AllocLocal(blockBytes), AllocLocal(blockBytes)
	counters(low, high)
	start()
	data, flags, block := Load(Param("data"), GP64()), GP32(), GP64()
	MOVL(U32(chunkStart), flags)
	XORQ(block, block)
	Label("block")
	gather(data, chunkBytes)
	ADDQ(U32(blockBytes), data)
	INCQ(block)
	CMPQ(block, U8(chunkBytes/blockBytes))
	JNE(LabelRef("compress"))
	ORL(U8(chunkEnd), flags)
	Label("compress")
	VMOVDQU32(low, state[12])
	VMOVDQU32(high, state[13])
	compress(flags)
	XORL(flags, flags)
	CMPQ(block, U8(chunkBytes/blockBytes))
	JNE(LabelRef("block"))
	end()
}

// counters stores the numbers of the chunks, their low and their high words.
func counters(low, high Mem) {
	counter := GP64()
	Load(Param("counter"), counter)
	first, sum, carry, one := Z0, Z1, Z2, Z3
	VPBROADCASTD(counter.As32(), first)
	VPADDD(lanes, first, sum)
	VMOVDQU32(sum, low)
	wrapped := K1
	VPCMPUD(U8(1), first, sum, wrapped) // sum < first
	SHRQ(U8(32), counter)
	VPBROADCASTD(counter.As32(), carry)
	ones := GP32()
	MOVL(U32(1), ones)
	VPBROADCASTD(ones, one)
	VPADDD(one, carry, wrapped, carry)
	VMOVDQU32(carry, high)
}

// parents writes the compression of sixteen nodes that have two children each.
func parents() {
	TEXT("parentsAVX512", NOSPLIT, "func(values *[16][8]uint32, children *[32][8]uint32)")
	Pragma("noescape")
	Doc("parentsAVX512 sets values to the chaining values of sixteen parents, given those of their children. Values may be the first half of children.")
	start()
	gather(Load(Param("children"), GP64()), 2*sumBytes)
	flags := GP32()
	MOVL(U32(parent), flags)
	VPXORD(state[12], state[12], state[12])
	VPXORD(state[13], state[13], state[13])
	compress(flags)
	end()
}

// start sets the chaining values to the initial ones.
func start() {
	for i := range iv {
		VPBROADCASTD(ivs.Offset(wordBytes*i), state[i])
	}
}

// strides sets a register of the state to the multiples of a distance.
func strides(distance int) VecPhysical {
	shift := 0
	for 1<<shift != distance {
		shift++
	}
	at := state[15]
	VMOVDQU32(lanes, at)
	VPSLLD(U8(shift), at, at)
	return at
}

// gather loads the messages: blocks that are the distance apart, in bytes.
func gather(from Register, distance int) {
	at := strides(distance)
	for i, m := range message {
		KXNORW(K1, K1, K1)
		VPGATHERDD(Mem{Base: from, Index: at, Scale: 1, Disp: wordBytes * i}, K1, m)
	}
}

// compress compresses blocks; the counters are in the state.
func compress(flags Register) {
	for i := range 4 {
		VPBROADCASTD(ivs.Offset(wordBytes*i), state[8+i])
	}
	size := GP32()
	MOVL(U32(blockBytes), size)
	VPBROADCASTD(size, state[14])
	VPBROADCASTD(flags, state[15])
	order := [width]int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	for range rounds {
		half(mixes[:4], order[:8])
		half(mixes[4:], order[8:])
		var next [width]int
		for i, p := range permutation {
			next[i] = order[p]
		}
		order = next
	}
	for i := range iv {
		VPXORD(state[8+i], state[i], state[i])
	}
}

// half writes four mixes, which do not touch each other, interleaved.
func half(mixes [][4]int, order []int) {
	each := func(step func(a, b, c, d VecPhysical, i int)) {
		for i, m := range mixes {
			step(state[m[0]], state[m[1]], state[m[2]], state[m[3]], i)
		}
	}
	for part, rotations := range [2][2]uint8{{16, 12}, {8, 7}} {
		each(func(a, _, _, _ VecPhysical, i int) { VPADDD(message[order[2*i+part]], a, a) })
		each(func(a, b, _, _ VecPhysical, _ int) { VPADDD(b, a, a) })
		each(func(a, _, _, d VecPhysical, _ int) { VPXORD(a, d, d) })
		each(func(_, _, _, d VecPhysical, _ int) { VPRORD(U8(rotations[0]), d, d) })
		each(func(_, _, c, d VecPhysical, _ int) { VPADDD(d, c, c) })
		each(func(_, b, c, _ VecPhysical, _ int) { VPXORD(c, b, b) })
		each(func(_, b, _, _ VecPhysical, _ int) { VPRORD(U8(rotations[1]), b, b) })
	}
}

// end stores the chaining values.
func end() {
	values, at := Load(Param("values"), GP64()), strides(sumBytes)
	for i := range iv {
		KXNORW(K1, K1, K1)
		VPSCATTERDD(state[i], K1, Mem{Base: values, Index: at, Scale: 1, Disp: wordBytes * i})
	}
	VZEROUPPER()
	RET()
}
