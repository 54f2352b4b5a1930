package int8

import (
	"fmt"
	"testing"
)

// The shape of a tile.
const benchRows, benchCols = 32, 2048

// BenchmarkQuantize reports bytes of float32 per second on one core, figures
// included, from a matrix that no cache of a core holds.
func BenchmarkQuantize(b *testing.B) {
	const tiles = 256
	x := weights(tiles * benchRows * benchCols)
	for _, k := range kernels() {
		for _, s := range schemes {
			b.Run(fmt.Sprintf("%s/%v", k.name, s), func(b *testing.B) {
				codes := make([]byte, benchRows*benchCols)
				scales := make([]byte, benchRows*s.ScalesPerRow(benchCols)*s.Scale.Size())
				b.SetBytes(4 * benchRows * benchCols)
				for i := 0; b.Loop(); i++ {
					tile := x[i%tiles*len(codes):][:len(codes)]
					if _, err := quantize(codes, scales, tile, benchRows, benchCols, s, k); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkDequantize(b *testing.B) {
	codes := make([]byte, benchRows*benchCols)
	dst := make([]float32, len(codes))
	for _, k := range kernels() {
		for _, s := range schemes[:4] {
			b.Run(fmt.Sprintf("%s/%v", k.name, s), func(b *testing.B) {
				scales := make([]byte, benchRows*s.ScalesPerRow(benchCols)*s.Scale.Size())
				b.SetBytes(4 * benchRows * benchCols)
				for b.Loop() {
					if err := dequantize(dst, codes, scales, benchRows, benchCols, s.Quantization, k); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkQuantizeTokens(b *testing.B) {
	x, codes, scales := weights(benchRows*benchCols), make([]int8, benchRows*benchCols), make([]float32, benchRows)
	b.SetBytes(4 * benchRows * benchCols)
	for b.Loop() {
		if err := QuantizeTokens(codes, scales, x, benchRows, benchCols); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMulTransposed reports multiplications per second on one core.
func BenchmarkMulTransposed(b *testing.B) {
	const n = 256
	x, w, dst := make([]int8, benchRows*benchCols), make([]int8, n*benchCols), make([]int32, benchRows*n)
	for b.Loop() {
		if err := MulTransposed(dst, x, w, benchRows, n, benchCols); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*benchRows*n*benchCols/b.Elapsed().Seconds()/1e9, "GMAC/s")
}
