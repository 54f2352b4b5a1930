package metric

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
)

// noisy returns 4 Mi normal values, and the same with an error in a share of them.
func noisy(b testing.TB, typ dtype.Type, rel, share float64) (got, want tensor.View) {
	b.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	const n = 1 << 22
	a, e := make([]float64, n), make([]float64, n)
	for i := range e {
		e[i] = random.NormFloat64()
		a[i] = e[i]
		if random.Float64() < share {
			a[i] += rel * math.Abs(e[i]) * random.NormFloat64()
		}
	}
	pack := func(values []float64) tensor.View {
		v := tensor.View{Desc: tensor.Desc{Name: "x", Type: typ, Shape: tensor.Shape{n / 2048, 2048}}, Data: make([]byte, n*typ.Size())}
		if err := dtype.FromFloat64s(v.Data, values, typ); err != nil {
			b.Fatal(err)
		}
		return v
	}
	return pack(a), pack(e)
}

// BenchmarkCompare counts the bytes of the reference alone; as many are read of
// the candidate.
func BenchmarkCompare(b *testing.B) {
	for _, bb := range []struct {
		name       string
		typ        dtype.Type
		rel, share float64
	}{
		{"f32, the same", dtype.F32, 0, 0},
		{"f32, noise of float32 in all", dtype.F32, 3e-7, 1},
		{"bf16, the same", dtype.BF16, 0, 0},
		{"bf16, 1 in 100 the other way", dtype.BF16, 0x1p-7, 0.01},
		{"bf16, half of them off", dtype.BF16, 0x1p-6, 0.5},
	} {
		got, want := noisy(b, bb.typ, bb.rel, bb.share)
		b.Run(bb.name, func(b *testing.B) {
			b.SetBytes(int64(len(want.Data)))
			for b.Loop() {
				if _, err := Compare(context.Background(), got, want, Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
