package dtype

import "golang.org/x/sys/cpu"

//go:generate go -C asm run . -out ../cast_amd64.s -stubs ../cast_generated.go -pkg dtype

const (
	avx512 kernel = "AVX-512"
	avx2   kernel = "AVX2"
)

// kernels lists those that this processor can run, the fastest first.
func kernels() []kernel {
	var list []kernel
	if cpu.X86.HasAVX512F {
		list = append(list, avx512)
	}
	const f16c = 1 << 29
	if cpu.X86.HasAVX2 && features()&f16c != 0 {
		list = append(list, avx2)
	}
	return append(list, plain)
}

// vectorised returns how many of n elements vector code casts: whole steps of 16.
// The rest is left to plain Go.
func vectorised(n int) int {
	if fastest == plain {
		return 0
	}
	return n &^ 15
}

// The calls below are not by way of a function's value, which would move the
// callers' arrays to the heap.

func widenF16(dst []float32, src []byte) {
	n := vectorised(len(dst))
	if n > 0 && fastest == avx512 {
		widenF16AVX512(&dst[0], &src[:2*n][0], n)
	} else if n > 0 {
		widenF16F16C(&dst[0], &src[:2*n][0], n)
	}
	plainWidenF16(dst[n:], src[2*n:])
}

func widenBF16(dst []float32, src []byte) {
	n := vectorised(len(dst))
	if n > 0 && fastest == avx512 {
		widenBF16AVX512(&dst[0], &src[:2*n][0], n)
	} else if n > 0 {
		widenBF16AVX2(&dst[0], &src[:2*n][0], n)
	}
	plainWidenBF16(dst[n:], src[2*n:])
}

func narrowF16(dst []byte, src []float32) {
	n := vectorised(len(src))
	if n > 0 && fastest == avx512 {
		narrowF16AVX512(&dst[:2*n][0], &src[0], n)
	} else if n > 0 {
		narrowF16F16C(&dst[:2*n][0], &src[0], n)
	}
	plainNarrowF16(dst[2*n:], src[n:])
}

func narrowBF16(dst []byte, src []float32) {
	n := vectorised(len(src))
	if n > 0 && fastest == avx512 {
		narrowBF16AVX512(&dst[:2*n][0], &src[0], n)
	} else if n > 0 {
		narrowBF16AVX2(&dst[:2*n][0], &src[0], n)
	}
	plainNarrowBF16(dst[2*n:], src[n:])
}

// widen64 decodes the first elements of src and returns how many. AVX2, which
// those that have AVX-512 have, is faster than memory is.
func widen64(dst []float64, src []byte, t Type) int {
	n := vectorised(len(dst))
	if n == 0 {
		return 0
	}
	switch t {
	case F32:
		widen64F32AVX2(&dst[0], &src[:4*n][0], n)
	case F16:
		widen64F16F16C(&dst[0], &src[:2*n][0], n)
	case BF16:
		widen64BF16AVX2(&dst[0], &src[:2*n][0], n)
	default:
		return 0
	}
	return n
}
