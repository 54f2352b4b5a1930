package dtype

import "golang.org/x/sys/cpu"

//go:generate go -C asm run . -out ../cast_amd64.s -stubs ../cast_generated.go -pkg dtype

// kernels lists those that this processor can run, the fastest first.
func kernels() []kernel {
	var list []kernel
	if cpu.X86.HasAVX512F {
		list = append(list, kernel{"AVX-512",
			widened(widenF16AVX512, widenF16), widened(widenBF16AVX512, widenBF16),
			narrowed(narrowF16AVX512, narrowF16), narrowed(narrowBF16AVX512, narrowBF16)})
	}
	const f16c = 1 << 29
	if cpu.X86.HasAVX2 && features()&f16c != 0 {
		list = append(list, kernel{"AVX2",
			widened(widenF16F16C, widenF16), widened(widenBF16AVX2, widenBF16),
			narrowed(narrowF16F16C, narrowF16), narrowed(narrowBF16AVX2, narrowBF16)})
	}
	return append(list, plain)
}

// step is the number of elements that vector code takes at a time.
const step = 16

// widened returns a cast that leaves the elements beyond the last whole step to
// plain Go.
func widened(loop func(dst *float32, src *byte, n int), rest func([]float32, []byte)) func([]float32, []byte) {
	return func(dst []float32, src []byte) {
		n := len(dst) &^ (step - 1)
		if n > 0 {
			loop(&dst[0], &src[:2*n][0], n)
		}
		rest(dst[n:], src[2*n:])
	}
}

// narrowed is widened for the other direction.
func narrowed(loop func(dst *byte, src *float32, n int), rest func([]byte, []float32)) func([]byte, []float32) {
	return func(dst []byte, src []float32) {
		n := len(src) &^ (step - 1)
		if n > 0 {
			loop(&dst[:2*n][0], &src[0], n)
		}
		rest(dst[2*n:], src[n:])
	}
}
