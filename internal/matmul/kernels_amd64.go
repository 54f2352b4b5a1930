package matmul

//go:generate go -C asm run . -out ../tile_amd64.s -stubs ../tile_generated.go -pkg matmul

import "golang.org/x/sys/cpu"

// fastKernels lists the float32 kernels that this processor can run, fastest
// first. They give the same bits.
func fastKernels() []named {
	var kernels []named
	fma := cpu.X86.HasAVX2 && cpu.X86.HasFMA && cpu.X86.HasBMI2
	if fma && cpu.X86.HasAVX512F {
		kernels = append(kernels, named{"AVX-512", stepAVX512})
	}
	if fma {
		kernels = append(kernels, named{"AVX2", stepAVX2})
	}
	return kernels
}

func stepAVX512(s *step[float32]) {
	sums, state := (*[tileRows * tileCols]float32)(&s.sums), (*[tileRows * tileCols][lanes]float32)(s.lanes)
	if s.rows == 1 {
		tile1x6AVX512(sums, state, s.x, s.w, s.first, s.last)
	} else {
		tile4x6AVX512(sums, state, s.x, s.w, s.first, s.last)
	}
}

func stepAVX2(s *step[float32]) {
	for r := 0; r < s.rows; r += 2 {
		for c := 0; c < tileCols; c += 3 {
			i := r*tileCols + c
			tile2x3AVX2(&s.sums[i], &s.lanes[i], (*[2][]float32)(s.x[r:]), (*[3][]float32)(s.w[c:]), s.first, s.last)
		}
	}
}
