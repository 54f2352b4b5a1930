package matmul

//go:generate go -C asm run . -out ../tile_amd64.s -stubs ../tile_generated.go -pkg matmul

import "golang.org/x/sys/cpu"

// fastKernels lists the float32 kernels that this processor can run, fastest
// first. They give the same bits.
func fastKernels() []named {
	var kernels []named
	fma := cpu.X86.HasAVX2 && cpu.X86.HasFMA && cpu.X86.HasBMI2
	if fma && cpu.X86.HasAVX512F {
		kernels = append(kernels, named{"AVX-512", tileAVX512})
	}
	if fma {
		kernels = append(kernels, named{"AVX2", tileAVX2})
	}
	return kernels
}

func tileAVX512(out *tile[float32], x *[tileRows][]float32, w *[tileCols][]float32, rows int) {
	if rows == 1 {
		tile1x6AVX512((*[tileRows * tileCols]float32)(out), x, w)
		return
	}
	tile4x6AVX512((*[tileRows * tileCols]float32)(out), x, w)
}

func tileAVX2(out *tile[float32], x *[tileRows][]float32, w *[tileCols][]float32, rows int) {
	for r := 0; r < rows; r += 2 {
		for c := 0; c < tileCols; c += 3 {
			tile2x3AVX2(&out[r*tileCols+c], (*[2][]float32)(x[r:]), (*[3][]float32)(w[c:]))
		}
	}
}
