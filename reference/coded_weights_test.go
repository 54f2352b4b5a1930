package reference

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
	"colakit/internal/synth"
	codec "colakit/quantize/int8"
	"colakit/reference/generate"
)

// codedProduct is the definition of a product of codes.
func codedProduct(t *testing.T, view tensor.View, x []float32, rows int) []float32 {
	out, in, q := view.Shape[0], view.Shape[1], view.Quantization
	codes, scales := make([]int8, len(x)), make([]float32, rows)
	if err := codec.QuantizeTokens(codes, scales, x, rows, in); err != nil {
		t.Fatal(err)
	}
	y := make([]float32, rows*out)
	for r := range rows {
		for j := range out {
			sum := float32(0)
			for g := range q.ScalesPerRow(in) {
				s := int32(0)
				for i := g * q.Width(in); i < min((g+1)*q.Width(in), in); i++ {
					s += int32(codes[r*in+i]) * int32(int8(view.Data[j*in+i]))
				}
				scaled := q.At(view.Scales, j*q.ScalesPerRow(in)+g) * float32(s)
				sum += scaled
			}
			y[r*out+j] = scales[r] * sum
		}
	}
	return y
}

// Products of codes are exact where float32 sums of as many products round, and
// have the documented bits for groups with tails and any number of workers.
func TestProductsOfCodes(t *testing.T) {
	const rows = 5
	for _, in := range []int{1, 20, 150, exactTerms, 3*exactTerms + 77} {
		out := 2*tilingOf(1, in).height + 3
		if in < 150 {
			out = 9
		}
		values, x := make([]float32, out*in), make([]float32, rows*in)
		for i := range values {
			values[i] = 1 + float32(i%5)/1e3 // codes near 127, whose sums are large
			if i/in%3 == 0 {
				values[i] = float32(i%1013)/512 - 1
			}
		}
		for i := range x {
			x[i] = float32(1+i/in) * (1 - float32(i%3)/300)
		}
		clear(x[3*in : 4*in])
		for _, q := range quantizations {
			view := quantized(tensor.FromFloat32s("w", tensor.Shape{out, in}, values), q)
			w, err := newCodedWeights(view)
			if err != nil {
				t.Fatal(err)
			}
			want := codedProduct(t, view, x, rows)
			for _, workers := range []int{1, 3} {
				got := make([]float32, rows*out)
				got[0] = 99
				if err := w.multiply(got, x, rows, workers); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%d inputs, %+v, %d workers:\n%s", in, q, workers, diff)
				}
			}
		}
	}
}

// The bias is added after the scales, and under the released contract it is added
// before the only rounding, to inputs that were rounded first.
func TestLinearOfCodes(t *testing.T) {
	const out, in = 3, 40
	values, bias := make([]float32, out*in), []float32{1.00390625001, -0.3, 0.00123}
	for i := range values {
		values[i] = float32(i*i%97)/97 - 0.5
	}
	weight := quantized(tensor.FromFloat32s("w.weight", tensor.Shape{out, in}, values), quantizations[0])
	src := changed{one{weight}, func(v tensor.View) tensor.View { return v }}
	x := valueFrom(in, values[:2*in]...)
	for _, released := range []bool{false, true} {
		l := &loader[float32]{src: src, released: released, int8: true, workers: 1}
		layer := l.linear("w", out, in, false)
		if l.err != nil || l.coded != 1 {
			t.Fatalf("%d layers of codes, error %v", l.coded, l.err)
		}
		layer.B = l.param(tensor.FromFloat32s("w.bias", tensor.Shape{out}, bias), released, out, 1)
		p := newTestPass(2, released)
		want := codedProduct(t, weight, p.narrow(x).data(), 2)
		for i, y := range want {
			if want[i] = y + bias[i%out]; released {
				want[i] = dtype.RoundBF16(y + dtype.RoundBF16(bias[i%out]))
			}
		}
		got := layer.forward(p, x)
		if diff := cmp.Diff(want, got.data()); diff != "" || got.bf16 != released {
			t.Errorf("released %v, result bfloat16 %v:\n%s", released, got.bf16, diff)
		}
	}
}

// Activations in 8 bits change results a little, and rows do not depend on others.
func TestInt8Activations(t *testing.T) {
	for name, cfg := range variants() {
		for i, q := range quantizations {
			for _, contract := range bothContracts {
				t.Run(fmt.Sprintf("%s/%d/%v", name, i, contract), func(t *testing.T) {
					ids := samples(cfg, 2, 0, 3)
					src := quantizedSource(cfg, q)
					o := Options{Contract: contract, Activations: generate.Int8Activations, Workers: 3}
					e := engineOf(t, src, cfg, o)
					if e.Model().Activations != generate.Int8Activations {
						t.Error("the engine does not say what its activations are")
					}
					together := exercise(t, e, cfg, ids, 0, 1, 2)
					alone := engineOf(t, src, cfg, Options{Contract: contract, Activations: generate.Int8Activations, Workers: 1})
					if diff := cmp.Diff(exercise(t, alone, cfg, ids, 1), only(cfg, together, 1, 3)); diff != "" {
						t.Errorf("a sample alone and in a batch (-alone +batch):\n%s", diff)
					}
					wide := exercise(t, engineOf(t, src, cfg, Options{Contract: contract}), cfg, ids, 0, 1, 2)
					for what, pair := range map[string][2][]float32{
						"latents": {together.Latents[0], wide.Latents[0]}, "cond": {together.Cond, wide.Cond}, "logits": {together.Logits, wide.Logits},
					} {
						if err := relativeError(pair[0], pair[1]); !(err > 0 && err < 0.1) {
							t.Errorf("%s: rel-L2 %.1e from those of float activations", what, err)
						}
					}
				})
			}
		}
	}
}

func TestInt8ActivationsRefuse(t *testing.T) {
	cfg, q := small(), quantizations[0]
	for _, c := range []struct {
		name    string
		src     tensor.Source
		options Options
		says    string
	}{
		{"float weights", synth.NewSource(cfg, dtype.F32, 1), Options{}, "no"},
		{"float64", quantizedSource(cfg, q), Options{Float64: true}, "float64"},
	} {
		c.options.Activations = generate.Int8Activations
		if _, err := New(c.src, cfg, c.options); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error %v; it should say %q", c.name, err, c.says)
		}
	}
	long := tensor.View{Desc: tensor.Desc{Name: "w", Type: dtype.I8, Shape: tensor.Shape{1, maxCodedInputs + 1}, Quantization: &q}}
	long.Data, long.Scales = make([]byte, maxCodedInputs+1), make([]byte, 4)
	if _, err := newCodedWeights(long); err == nil || !strings.Contains(err.Error(), "int32") {
		t.Errorf("%d inputs: error %v", maxCodedInputs+1, err)
	}
	layer, err := newCodedWeights(quantized(tensor.FromFloat32s("w", tensor.Shape{1, 2}, []float32{1, 2}), q))
	if err != nil {
		t.Fatal(err)
	}
	x := []float32{1, 2, 3, float32(math.NaN())}
	if err := layer.multiply(make([]float32, 2), x, 2, 1); err == nil || !strings.Contains(err.Error(), "token 1, channel 1") {
		t.Errorf("NaN: error %v", err)
	}
}
