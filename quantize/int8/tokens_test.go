package int8

import (
	"bytes"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
)

// TestQuantizeTokens holds it to Quantize.
func TestQuantizeTokens(t *testing.T) {
	eachDataset(t, 3, func(t *testing.T, x []float32, cols int, s Scheme) {
		if s != perToken {
			return
		}
		codes, scales := make([]int8, len(x)), make([]float32, 3)
		err := QuantizeTokens(codes, scales, x, 3, cols)
		if !finite(x) {
			if err == nil {
				t.Fatalf("%d columns: no error", cols)
			}
			return
		}
		m := stored(t, x, cols, s, plain)
		for i, q := range codes {
			if byte(q) != m.codes[i] || scales[i/cols] != m.scale(i) {
				t.Fatalf("%d columns: %v has code %d and scale %v, want %d and %v", cols, x[i], q, scales[i/cols], int8(m.codes[i]), m.scale(i))
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestQuantizeTokensRefuses(t *testing.T) {
	x := make([]float32, 12)
	x[7] = float32(math.Inf(-1))
	err := QuantizeTokens(make([]int8, 12), make([]float32, 3), x, 3, 4)
	if err == nil || !strings.Contains(err.Error(), "token 1, channel 3 is -Inf") {
		t.Errorf("an infinity: %v", err)
	}
	for name, err := range map[string]error{
		"codes":  QuantizeTokens(make([]int8, 11), make([]float32, 3), make([]float32, 12), 3, 4),
		"scales": QuantizeTokens(make([]int8, 12), make([]float32, 2), make([]float32, 12), 3, 4),
		"values": QuantizeTokens(make([]int8, 12), make([]float32, 3), make([]float32, 13), 3, 4),
	} {
		if err == nil {
			t.Errorf("wrong number of %s: no error", name)
		}
	}
	scales := []float32{1, 2}
	if err := QuantizeTokens(nil, scales, nil, 2, 0); err != nil || scales[0] != 0 || scales[1] != 0 {
		t.Errorf("tokens without channels: scales %v, %v", scales, err)
	}
}

// TestDequantize holds it to tensor.View for all codes, −128 among them, and any
// scales, NaN among them.
func TestDequantize(t *testing.T) {
	const rows = 3
	r := rand.New(rand.NewPCG(2, 3))
	for _, cols := range widths {
		for _, s := range schemes {
			codes, scales := make([]byte, rows*cols), make([]byte, rows*s.ScalesPerRow(cols)*s.Scale.Size())
			for _, b := range [][]byte{codes, scales} {
				for i := range b {
					b[i] = byte(r.Uint32())
				}
			}
			desc := tensor.Desc{Type: dtype.I8, Shape: tensor.Shape{rows, cols}, Quantization: &s.Quantization}
			want, err := tensor.View{Desc: desc, Data: codes, Scales: scales}.Float32s()
			if err != nil {
				t.Fatal(err)
			}
			for _, k := range kernels() {
				got := make([]float32, len(codes))
				if err := dequantize(got, codes, scales, rows, cols, s.Quantization, k); err != nil {
					t.Fatal(err)
				}
				for i := range want {
					if got[i] != want[i] && (got[i] == got[i] || want[i] == want[i]) {
						t.Fatalf("%s, %v, %d columns: element %d is %v, want %v", k.name, s, cols, i, got[i], want[i])
					}
				}
			}
		}
	}
}

func TestDequantizeRoundTrip(t *testing.T) {
	eachDataset(t, 3, func(t *testing.T, x []float32, cols int, s Scheme) {
		m := stored(t, x, cols, s, fastest)
		y := make([]float32, len(x))
		if err := Dequantize(y, m.codes, m.scales, 3, cols, s.Quantization); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(m.values(), y); diff != "" {
			t.Fatalf("%v, %d columns (-want +got)\n%s", s, cols, diff)
		}
	})
	if err := Dequantize(make([]float32, 4), make([]byte, 4), make([]byte, 4), 2, 2, tensor.Quantization{Scale: dtype.F32}); err == nil {
		t.Error("one scale for two rows is taken")
	}
	if err := Dequantize(nil, nil, nil, 0, 4, tensor.Quantization{Scale: dtype.F16}); err != nil {
		t.Error(err)
	}
}

func TestMulTransposed(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for _, s := range []struct{ rows, n, k int }{
		{0, 3, 4}, {3, 0, 4}, {3, 2, 0}, {1, 1, 1}, {1, 7, 33}, {2, 3, 31}, {3, 5, 64}, {4, 4, 15}, {5, 9, 130}, {9, 2, 1000}, {1, 1, maxTerms},
	} {
		x, w := make([]byte, s.rows*s.k), make([]byte, s.n*s.k)
		for _, b := range [][]byte{x, w} {
			for i := range b {
				b[i] = byte(r.Uint32())
			}
		}
		if s.k == maxTerms { // the largest sum
			copy(x, bytes.Repeat([]byte{128}, s.k))
			copy(w, bytes.Repeat([]byte{128}, s.k))
		}
		dst := make([]int32, s.rows*s.n)
		if err := MulTransposed(dst, signed(x), signed(w), s.rows, s.n, s.k); err != nil {
			t.Fatal(err)
		}
		for i, got := range dst {
			want := int64(0)
			for c := range s.k {
				want += int64(int8(x[i/s.n*s.k+c])) * int64(int8(w[i%s.n*s.k+c]))
			}
			if int64(got) != want {
				t.Fatalf("%v: element %d is %d, want %d", s, i, got, want)
			}
		}
	}
}

func signed(b []byte) []int8 {
	v := make([]int8, len(b))
	for i, x := range b {
		v[i] = int8(x)
	}
	return v
}

func TestMulTransposedRefuses(t *testing.T) {
	v := func(n int) []int8 { return make([]int8, n) }
	for name, err := range map[string]error{
		"short sums":  MulTransposed(make([]int32, 5), v(8), v(12), 2, 3, 4),
		"short x":     MulTransposed(make([]int32, 6), v(7), v(12), 2, 3, 4),
		"long w":      MulTransposed(make([]int32, 6), v(8), v(13), 2, 3, 4),
		"negative":    MulTransposed(nil, nil, nil, -1, 3, 4),
		"too many":    MulTransposed(make([]int32, 1), v(maxTerms+1), v(maxTerms+1), 1, 1, maxTerms+1),
		"an overflow": MulTransposed(nil, nil, nil, math.MaxInt, math.MaxInt, 0),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestLinearLayer multiplies as W8A8 does and compares with float64: the error is
// that of two roundings to eight bits.
func TestLinearLayer(t *testing.T) {
	const rows, n, k = 8, 16, 512
	a, w := weights(rows*k), weights((rows + n) * k)[rows*k:]
	m := stored(t, w, k, scheme(0, dtype.F32, AbsMax), fastest)
	codes, scales := make([]int8, len(a)), make([]float32, rows)
	if err := QuantizeTokens(codes, scales, a, rows, k); err != nil {
		t.Fatal(err)
	}
	dst := make([]int32, rows*n)
	if err := MulTransposed(dst, codes, signed(m.codes), rows, n, k); err != nil {
		t.Fatal(err)
	}
	var squares, errors float64
	for i, sum := range dst {
		want := 0.0
		for c := range k {
			want += float64(a[i/n*k+c]) * float64(w[i%n*k+c])
		}
		d := float64(sum)*float64(scales[i/n])*float64(m.scale(i%n*k)) - want
		squares, errors = squares+want*want, errors+d*d
	}
	if rel := math.Sqrt(errors / squares); rel < 0.005 || rel > 0.02 {
		t.Errorf("relative error %v, want 0.005 to 0.02", rel)
	}
}
