// Command asm writes the casts of package dtype for amd64: cast_amd64.s and
// cast_generated.go. Run it with `go generate` in that package. It is a module
// of its own so that the toolkit does not depend on the assembler.
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

const (
	doubleBytes = 8
	floatBytes  = 4
	codeBytes   = 2
	// step is the number of elements that the loops take at a time.
	step = 16
)

const (
	nearestEven = 0      // the rounding mode of VCVTPS2PH
	unordered   = 3      // the predicate of VCMPPS that NaN fulfils
	belowHalf   = 0x7fff // just under half a step of BF16, in binary32
	bf16Quiet   = 0x0040 << 16
)

func main() {
	ConstraintExpr("amd64")
	for _, write := range []func(){
		widenF16AVX512, narrowF16AVX512, widenBF16AVX512, narrowBF16AVX512,
		widenF16F16C, narrowF16F16C, widenBF16AVX2, narrowBF16AVX2,
		widen64F32AVX2, widen64F16F16C, widen64BF16AVX2,
		features,
	} {
		write()
	}
	Generate()
}

const (
	widenSignature   = "func(dst *float32, src *byte, n int)"
	widen64Signature = "func(dst *float64, src *byte, n int)"
	narrowSignature  = "func(dst *byte, src *float32, n int)"
)

// begin begins a function.
func begin(name, signature, doc string) {
	TEXT(name, NOSPLIT, signature)
	Pragma("noescape")
	Doc(fmt.Sprintf("%s %s n elements, a multiple of %d and not 0. Neither side need be aligned.", name, doc, step))
}

// loop writes the loop over all elements, step of them at a time, between the
// arrays that the parameters named floats and codes point to, and ends the
// function.
func loop(floats, codes string, cast func(floats, codes Mem)) {
	scaled(floats, floatBytes, codes, codeBytes, cast)
}

// scaled is loop for elements of so many bytes.
func scaled(wide string, wideBytes uint8, narrow string, narrowBytes uint8, cast func(wide, narrow Mem)) {
	w, c, n := Load(Param(wide), GP64()), Load(Param(narrow), GP64()), Load(Param("n"), GP64())
	index := GP64()
	XORQ(index, index)
	Label("piece")
	cast(Mem{Base: w, Index: index, Scale: wideBytes}, Mem{Base: c, Index: index, Scale: narrowBytes})
	ADDQ(U8(step), index)
	CMPQ(index, n)
	JLT(LabelRef("piece"))
	VZEROUPPER()
	RET()
}

// features writes the function that tells what golang.org/x/sys/cpu does not.
func features() {
	TEXT("features", NOSPLIT, "func() (ecx uint32)")
	Doc("features returns the third register of CPUID's leaf 1, in which bit 29 is F16C.")
	MOVL(U32(1), EAX)
	XORL(ECX, ECX)
	CPUID()
	Store(ECX, ReturnIndex(0))
	RET()
}

// words returns a register whose 32-bit lanes all hold bits.
func words(bits uint32, v VecVirtual) VecVirtual {
	lane, x := GP32(), XMM()
	MOVL(U32(bits), lane)
	VMOVD(lane, x)
	VPBROADCASTD(x, v)
	return v
}
