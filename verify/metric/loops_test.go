package metric

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
)

// TestKernelsAgree holds every kernel to plain Go, to the bit: all types, rows of
// any length, pieces that are cut short, few and many differences, and elements out
// of the ordinary.
func TestKernelsAgree(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for range 300 {
		typ := []dtype.Type{dtype.F32, dtype.BF16, dtype.F16, dtype.F64}[r.IntN(4)]
		cols := []int{1, 3, 8, 17, 64, 300, 1500}[r.IntN(7)]
		rows := r.IntN(3000/cols + 2)
		band := []Band{{}, {Atol: 1e-3}, {Rtol: 1e-3}, {1e-4, 1e-3}}[r.IntN(4)]
		share, rel := []float64{0.01, 0.3, 1}[r.IntN(3)], []float64{1e-7, 1e-3, 2}[r.IntN(3)]
		odd := []float64{0, 0, 0.001, 0.1}[r.IntN(4)]
		var sides [3][]float64
		for range rows * cols {
			e := r.NormFloat64() * math.Ldexp(1, r.IntN(30)-20)
			a, x := e, e*(1+1e-8*r.NormFloat64())
			if r.Float64() < share {
				a += rel * e * r.NormFloat64()
			}
			for i, v := range []float64{a, e, x} {
				if r.Float64() < odd {
					v = strange[r.IntN(len(strange))]
				}
				sides[i] = append(sides[i], v)
			}
		}
		shape := tensor.Shape{rows, cols}
		checkKernels(t, view(t, typ, shape, sides[0]...), view(t, typ, shape, sides[1]...), view(t, dtype.F64, shape, sides[2]...), band)
	}
}

var strange = []float64{
	0, math.Copysign(0, -1), 1, -1, nan, inf, -inf, 0x1p-149, -0x1p-130, 0x1p-20, 0x1p-10, math.MaxFloat32, -math.MaxFloat32, 1e-300, 1e200, 65504,
}

// checkKernels holds what every kernel makes of three sides to plain Go.
func checkKernels(t *testing.T, got, want, exact tensor.View, band Band) {
	t.Helper()
	inUse := fastest
	defer func() { fastest = inUse }()
	measure := func(k kernel) (Summary, Ratio) {
		fastest = k
		s, err := Compare(t.Context(), got, want, Options{Band: band})
		if err != nil {
			t.Fatal(err)
		}
		r, err := Ratios(t.Context(), got, want, exact)
		if err != nil {
			t.Fatal(err)
		}
		return s, r
	}
	summary, ratio := measure(plain)
	bits := cmp.Comparer(func(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) })
	for _, k := range kernels() {
		s, r := measure(k)
		if diff := cmp.Diff(summary, s, bits) + cmp.Diff(ratio, r, bits); diff != "" {
			t.Fatalf("%v %v, band %+v, %s (-plain +kernel)\n%s", want.Type, want.Shape, band, k, diff)
		}
	}
}

// FuzzKernels reads a type, a width, a band and the elements of both sides from the
// input.
func FuzzKernels(f *testing.F) {
	seed := func(head [4]byte, values ...float32) {
		data := head[:]
		for _, v := range values {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
		}
		f.Add(data)
	}
	seed([4]byte{0, 0, 0, 0}, 1, 2)
	seed([4]byte{0, 3, 1, 0}, 1, 1, -1, -1.0001, 0, 0, 0x1p-149, 0, 3, -3, 1e-30, 1e-31, 5, 6, 7, 8, 9, 10, 11, 12)
	seed([4]byte{1, 1, 0, 9}, 1, 1.01, 2, 2.5, -3, 3, 4, 4, 5, 5, 6, 6, 7, 7, float32(nan), 8, float32(inf), 9, 1e-5, 0)
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 4 {
			return
		}
		typ := []dtype.Type{dtype.F32, dtype.BF16, dtype.F16}[data[0]%3]
		cols, band := int(data[1])+1, Band{float64(data[2]) / 1e4, float64(data[3]) / 1e4}
		n := (len(data) - 4) / 2 / typ.Size() / cols * cols
		if n == 0 {
			return
		}
		side := func(name string, from int) tensor.View {
			return tensor.View{Desc: tensor.Desc{Name: name, Type: typ, Shape: tensor.Shape{n / cols, cols}}, Data: data[4+from:][:n*typ.Size()]}
		}
		got, want := side("got", 0), side("want", n*typ.Size())
		checkKernels(t, got, want, got, band)
		checkKernels(t, got, want, want, band)
	})
}
