package reference

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/internal/synth"
	"colakit/reference/generate"
)

// quantizations have groups that are rows, that divide none of them, that leave
// tails, and that are longer than any row.
var quantizations = []tensor.Quantization{
	{Scale: dtype.F32},
	{Scale: dtype.F16},
	{Group: 7, Scale: dtype.F32},
	{Group: 8, Scale: dtype.F16},
	{Group: 32, Scale: dtype.F16},
	{Group: 128, Scale: dtype.F16},
}

// quantized returns v as codes and scales, symmetric by the largest magnitude.
func quantized(v tensor.View, q tensor.Quantization) tensor.View {
	values, _ := v.Float32s()
	cols := v.Shape[len(v.Shape)-1]
	out := tensor.View{Desc: tensor.Desc{Name: v.Name, Type: dtype.I8, Shape: v.Shape, Quantization: &q}}
	for row := 0; row < len(values); row += cols {
		for from := row; from < row+cols; from += q.Width(cols) {
			group := values[from:min(from+q.Width(cols), row+cols)]
			peak := float32(0)
			for _, x := range group {
				peak = max(peak, x, -x)
			}
			out.Scales = appendScale(out.Scales, peak/127, q.Scale)
			scale := q.At(out.Scales, len(out.Scales)/q.Scale.Size()-1)
			for _, x := range group {
				code := math.RoundToEven(float64(x / max(scale, 1e-30)))
				out.Data = append(out.Data, byte(int8(max(-127, min(127, code)))))
			}
		}
	}
	return out
}

func appendScale(dst []byte, scale float32, t dtype.Type) []byte {
	if t == dtype.F16 {
		return binary.LittleEndian.AppendUint16(dst, dtype.Float32ToF16(scale))
	}
	return binary.LittleEndian.AppendUint32(dst, math.Float32bits(scale))
}

// dequantized returns a quantised tensor as the floats that it stands for.
func dequantized(v tensor.View) tensor.View {
	values, _ := v.Float32s()
	return tensor.FromFloat32s(v.Name, v.Shape, values)
}

// quantizedSource quantises every matrix of a synthetic model, the embedding and
// the convolution included, and biases and norms, too.
func quantizedSource(cfg hf.Config, q tensor.Quantization) tensor.Source {
	return changed{synth.NewSource(cfg, dtype.F32, 1), func(v tensor.View) tensor.View { return quantized(v, q) }}
}

func engineOf(t testing.TB, src tensor.Source, cfg hf.Config, o Options) generate.Engine {
	t.Helper()
	e, err := New(src, cfg, o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// inPowers rounds the scales of a quantised tensor up to powers of two, so that
// bfloat16 holds the numbers that it stands for.
func inPowers(v tensor.View) tensor.View {
	scales, _ := v.ScaleFloat32s()
	v.Scales = nil
	for _, s := range scales {
		if s > 0 {
			s = float32(math.Exp2(math.Ceil(math.Log2(float64(s)))))
		}
		v.Scales = appendScale(v.Scales, s, v.Quantization.Scale)
	}
	return v
}

// A model of codes and scales gives the bits of the model of the numbers that they
// stand for; under the released contract if these are numbers of bfloat16.
func TestQuantizedWeightsAreTheirNumbers(t *testing.T) {
	for name, cfg := range variants() {
		for i, q := range quantizations {
			for _, o := range []Options{{}, {Contract: generate.Released}, {Float64: true}} {
				t.Run(fmt.Sprintf("%s/%d/%v/%v", name, i, o.Contract, o.Float64), func(t *testing.T) {
					ids, codes := samples(cfg, 2, 0), quantizedSource(cfg, q)
					if o.Contract == generate.Released {
						codes = changed{codes, inPowers}
					}
					want := exercise(t, engineOf(t, changed{codes, dequantized}, cfg, o), cfg, ids, 0, 1)
					got := exercise(t, engineOf(t, codes, cfg, o), cfg, ids, 0, 1)
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("numbers and codes (-numbers +codes):\n%s", diff)
					}
					if i == 0 && o == (Options{}) && cmp.Equal(got, exercise(t, newTestEngine(t, cfg, o), cfg, ids, 0, 1)) {
						t.Error("quantisation changed nothing")
					}
				})
			}
		}
	}
}

// A large matrix stays in one byte an element, in the source's own memory, and its
// tiles have the bits of the whole matrix of numbers, which no contract rounds.
func TestLargeQuantizedWeights(t *testing.T) {
	const out, in = 1<<11 + 1, 1 << 9
	values := make([]float32, out*in)
	for i := range values {
		values[i] = float32(i%8191)/4096 - 1.0001
	}
	float := tensor.FromFloat32s("w", tensor.Shape{out, in}, values)
	x := valueFrom(in, values[100:100+3*in]...)
	for _, q := range append(quantizations, tensor.Quantization{Group: 100, Scale: dtype.F32}) {
		view := quantized(float, q)
		numbers := dequantized(view)
		for _, released := range []bool{false, true} {
			p := newTestPass(3, released)
			p.workers = 2
			build := func(v tensor.View, released bool) *Linear[float32] {
				l := &loader[float32]{src: one{v}, released: released, workers: 2}
				layer := l.linear("w", out, in, false)
				if l.err != nil {
					t.Fatal(l.err)
				}
				return layer
			}
			layer := build(view, released)
			if layer.W != nil || &layer.stored.(*storedWeights[float32]).view.Data[0] != &view.Data[0] {
				t.Fatalf("%+v: the codes were copied", q)
			}
			if diff := cmp.Diff(build(numbers, false).forward(p, x).data(), layer.forward(p, x).data()); diff != "" {
				t.Errorf("%+v, released %v:\n%s", q, released, diff)
			}
		}
	}
}

func TestNewRefusesDamagedQuantization(t *testing.T) {
	cfg, name := small(), "dit.blocks.1.mlp.proj_in.weight"
	for _, c := range []struct {
		name   string
		damage func(v tensor.View) tensor.View
		says   string
	}{
		{"no scales", func(v tensor.View) tensor.View { v.Quantization = nil; return v }, "i8 with scales"},
		{"a scale missing", func(v tensor.View) tensor.View { v.Scales = v.Scales[4:]; return v }, "bytes of scales"},
		{"negative groups", func(v tensor.View) tensor.View {
			v.Quantization = &tensor.Quantization{Group: -1, Scale: dtype.F32}
			return v
		}, "groups of -1"},
		{"codes missing", func(v tensor.View) tensor.View { v.Data = v.Data[1:]; return v }, "bytes are not shape"},
		{"floats with scales", func(v tensor.View) tensor.View { v.Type = dtype.F32; return v }, "f32"},
	} {
		src := changed{quantizedSource(cfg, quantizations[0]), func(v tensor.View) tensor.View {
			if v.Name == name {
				return c.damage(v)
			}
			return v
		}}
		_, err := New(src, cfg, Options{})
		if !errors.Is(err, tensor.ErrDamaged) || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error %v; it should wrap ErrDamaged, name the tensor and say %q", c.name, err, c.says)
		}
	}
}
