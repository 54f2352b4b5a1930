package matmul

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// sizes has every tail: of lanes, of tiles, of blocks and of panels.
var sizes = []struct{ rows, n, k int }{
	{1, 1, 0}, {3, 2, 0}, {1, 1, 1}, {1, 1, 15}, {1, 1, 16}, {1, 1, 17}, {2, 3, 5}, {4, 6, 16},
	{5, 7, 31}, {3, 5, 33}, {1, 13, 100}, {7, 1, 129}, {4, 6, 256}, {8, 12, 48}, {9, 50, 77},
	{33, 97, 64}, {17, 49, 250}, {2, 200, 1000}, {70, 5, 2053}, {5, 7, 2048}, {9, 8, 4099},
}

func random[T element](r *rand.Rand, n int) []T {
	v := make([]T, n)
	for i := range v {
		v[i] = T(r.NormFloat64())
	}
	return v
}

// dot is the order of summation of the package's documentation, word for word.
func dot[T element](x, w []T, add func(sum, a, b T) T) T {
	var lane [16]T
	for i := 0; i < (len(x)+15)/16*16; i++ {
		var a, b T
		if i < len(x) {
			a, b = x[i], w[i]
		}
		lane[i%16] = add(lane[i%16], a, b)
	}
	for _, half := range []int{8, 4, 2, 1} {
		for l := range half {
			lane[l] += lane[l+half]
		}
	}
	return lane[0]
}

func rounded[T element](sum, a, b T) T { return sum + T(a*b) }

func same[T element](a, b T) bool { return a == b || a != a && b != b }

func testOrder[T element](t *testing.T, add func(sum, a, b T) T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, s := range sizes {
		x, w := random[T](r, s.rows*s.k), random[T](r, s.n*s.k)
		got := make([]T, s.rows*s.n)
		MulTransposed(got, x, w, s.rows, s.n, s.k, 1)
		for i, g := range got {
			row, col := i/s.n, i%s.n
			if want := dot(x[row*s.k:(row+1)*s.k], w[col*s.k:(col+1)*s.k], add); !same(g, want) {
				t.Fatalf("%v: element [%d, %d] is %v, want %v", s, row, col, g, want)
			}
		}
	}
}

func TestOrderFloat64(t *testing.T) { testOrder(t, rounded[float64]) }

func TestOrderFloat32(t *testing.T) {
	forEachKernel(t, func(t *testing.T, fused bool) {
		if fused {
			testOrder(t, fma)
		} else {
			testOrder(t, rounded[float32])
		}
	})
}

// forEachKernel runs test with each float32 kernel that this processor has.
func forEachKernel(t *testing.T, test func(t *testing.T, fused bool)) {
	defer func(k kernel[float32]) { fast = k }(fast)
	for _, k := range append(fastKernels(), named{"portable", nil}) {
		fast = k.kernel
		t.Run(k.name, func(t *testing.T) { test(t, k.kernel != nil) })
	}
}

// fma returns a·b + sum, rounded once. The product is exact in float64; where
// the sum is not, it is rounded to odd, so that the second rounding errs nowhere.
func fma(sum, a, b float32) float32 {
	p, c := float64(a)*float64(b), float64(sum)
	s := p + c
	if math.IsInf(s, 0) || s != s {
		return float32(s)
	}
	t := s - p
	rest := (p - (s - t)) + (c - t) // Knuth's TwoSum
	if bits := math.Float64bits(s); rest != 0 && bits&1 == 0 {
		if (rest > 0) == (s > 0) {
			bits++
		} else {
			bits--
		}
		s = math.Float64frombits(bits)
	}
	return float32(s)
}

// TestBitsDependOnTheRowsOnly multiplies single rows and columns, with many
// workers, and expects the bits of the whole.
func TestBitsDependOnTheRowsOnly(t *testing.T) {
	t.Run("float64", testBits[float64])
	forEachKernel(t, func(t *testing.T, _ bool) { testBits[float32](t) })
}

func testBits[T element](t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	const rows, n, k = 70, 101, 2111
	x, w := random[T](r, rows*k), random[T](r, n*k)
	whole := make([]T, rows*n)
	MulTransposed(whole, x, w, rows, n, k, 1)
	for _, workers := range []int{-1, 0, 2, 3, 8, 1000} {
		got := make([]T, rows*n)
		MulTransposed(got, x, w, rows, n, k, workers)
		for i := range got {
			if got[i] != whole[i] {
				t.Fatalf("%d workers: element %d is %v, alone %v", workers, i, got[i], whole[i])
			}
		}
	}
	for row := range rows {
		for col := row % 5; col < n; col += 5 {
			var got [1]T
			MulTransposed(got[:], x[row*k:], w[col*k:], 1, 1, k, 1)
			if got[0] != whole[row*n+col] {
				t.Fatalf("[%d, %d] alone is %v, in the batch %v", row, col, got[0], whole[row*n+col])
			}
		}
	}
}

// TestStridedTouchesItsRowsOnly fills everything outside the matrices with NaN:
// one that is read shows in the product, one that is written is gone.
func TestStridedTouchesItsRowsOnly(t *testing.T) {
	t.Run("float64", testStrided[float64])
	forEachKernel(t, func(t *testing.T, _ bool) { testStrided[float32](t) })
}

func testStrided[T element](t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	nan := T(math.NaN())
	for _, s := range sizes {
		for _, gap := range []int{0, 1, 19} {
			ldd, ldx, ldw := s.n+gap, s.k+gap, s.k+2*gap
			x, dx := spread(random[T](r, s.rows*s.k), s.rows, s.k, ldx, nan)
			w, dw := spread(random[T](r, s.n*s.k), s.n, s.k, ldw, nan)
			dst, _ := spread(make([]T, s.rows*s.n), s.rows, s.n, ldd, nan)
			want := make([]T, s.rows*s.n)
			MulTransposed(want, dx, dw, s.rows, s.n, s.k, 1)
			MulTransposedStrided(dst[margin:], ldd, x[margin:], ldx, w[margin:], ldw, s.rows, s.n, s.k, 2)
			expected, _ := spread(want, s.rows, s.n, ldd, nan)
			for i := range dst {
				if !same(dst[i], expected[i]) {
					t.Fatalf("%v, gap %d: element %d is %v, want %v", s, gap, i-margin, dst[i], expected[i])
				}
			}
		}
	}
}

const margin = 40

// spread lays rows of cols out ld apart between elements of fill.
func spread[T element](dense []T, rows, cols, ld int, fill T) (spaced, same []T) {
	spaced = make([]T, 2*margin+rows*ld)
	for i := range spaced {
		spaced[i] = fill
	}
	for r := range rows {
		copy(spaced[margin+r*ld:], dense[r*cols:(r+1)*cols])
	}
	return spaced, dense
}

// TestNonFinite puts one NaN, infinity or overflow into one row: it must reach
// all elements of that row and no other.
func TestNonFinite(t *testing.T) {
	forEachKernel(t, testNonFinite)
}

func testNonFinite(t *testing.T, _ bool) {
	const rows, n, k = 5, 8, 37
	inf := float32(math.Inf(1))
	for _, special := range []float32{float32(math.NaN()), inf, -inf, math.MaxFloat32} {
		for at := range k {
			x, w := make([]float32, rows*k), make([]float32, n*k)
			for i := range x {
				x[i] = 1
			}
			for i := range w {
				w[i] = 2
			}
			x[2*k+at] = special
			dst := make([]float32, rows*n)
			MulTransposed(dst, x, w, rows, n, k, 1)
			for i, got := range dst {
				want := float32(2 * k)
				if i/n == 2 {
					want = special * 2
				}
				if !same(got, want) {
					t.Fatalf("%v at %d: element %d is %v, want %v", special, at, i, got, want)
				}
			}
		}
	}
}

func TestEmptyProducts(t *testing.T) {
	MulTransposed[float32](nil, nil, nil, 0, 5, 3, 2)
	MulTransposed[float32](nil, nil, nil, 5, 0, 3, 2)
	dst := []float32{1, 2, 3, 4, 5, 6}
	MulTransposed(dst, nil, nil, 2, 3, 0, 2)
	for i, v := range dst {
		if v != 0 {
			t.Errorf("element %d of a product over nothing is %v", i, v)
		}
	}
}

func TestShortSlicesPanic(t *testing.T) {
	good := make([]float32, 12)
	for name, f := range map[string]func(){
		"dst": func() { MulTransposed(good[:8:8], good, good, 3, 3, 4, 1) },
		"x":   func() { MulTransposed(good, good[:11:11], good, 3, 3, 4, 1) },
		"w":   func() { MulTransposed(good, good, good[:11:11], 3, 3, 4, 1) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("a short %s was taken", name)
				}
			}()
			f()
		}()
	}
}

var shapes = []struct{ rows, n, k int }{{1, 8192, 2048}, {16, 8192, 2048}, {32, 8192, 2048}, {32, 2048, 8192}, {256, 2048, 2048}}

// BenchmarkMulTransposed reports arithmetic and weights per second.
func BenchmarkMulTransposed(b *testing.B) {
	for _, workers := range []int{1, 2} {
		for _, s := range shapes {
			b.Run(fmt.Sprintf("workers=%d/%dx%dx%d", workers, s.rows, s.n, s.k), func(b *testing.B) {
				benchmark(b, s.rows, s.n, s.k, func(dst, x, w []float32) {
					MulTransposed(dst, x, w, s.rows, s.n, s.k, workers)
				})
			})
		}
	}
}

// BenchmarkNaive is three loops, to compare with in the same run.
func BenchmarkNaive(b *testing.B) {
	const rows, n, k = 16, 1024, 2048
	benchmark(b, rows, n, k, func(dst, x, w []float32) {
		for i := range dst {
			x, w := x[i/n*k:][:k], w[i%n*k:][:k]
			sum := float32(0)
			for i := range x {
				sum += x[i] * w[i]
			}
			dst[i] = sum
		}
	})
}

func benchmark(b *testing.B, rows, n, k int, mul func(dst, x, w []float32)) {
	r := rand.New(rand.NewPCG(4, 4))
	x, w := random[float32](r, rows*k), random[float32](r, n*k)
	dst := make([]float32, rows*n)
	for b.Loop() {
		mul(dst, x, w)
	}
	perSecond := float64(b.N) / b.Elapsed().Seconds()
	b.ReportMetric(2*float64(rows*n*k)*perSecond/1e9, "GFLOP/s")
	b.ReportMetric(4*float64(n*k)*perSecond/1e9, "GB/s-weights")
}
