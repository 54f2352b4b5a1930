package reference

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
)

// near allows the rounding of a few float32 operations.
var near = cmpopts.EquateApprox(1e-6, 1e-7)

func TestLayerNorm(t *testing.T) {
	p := newTestPass(1, false)
	bare := &LayerNorm[float32]{width: 4, eps: 0.75}
	// Mean 2.5, variance 1.25: with eps the deviation is √2.
	s := float32(1 / math.Sqrt2)
	want := []float32{-1.5 * s, -0.5 * s, 0.5 * s, 1.5 * s}
	if diff := cmp.Diff(want, bare.forward(p, valueFrom(4, 1, 2, 3, 4)).data(), near); diff != "" {
		t.Errorf("bare:\n%s", diff)
	}
	affine := &LayerNorm[float32]{width: 4, eps: 0.75, W: parameter(valueFrom(4, 1, 2, 1, 2).m), B: parameter(valueFrom(4, 0, 1, 0, -1).m)}
	want = []float32{-1.5 * s, -1*s + 1, 0.5 * s, 3*s - 1}
	if diff := cmp.Diff(want, affine.forward(p, valueFrom(4, 1, 2, 3, 4)).data(), near); diff != "" {
		t.Errorf("with γ and β:\n%s", diff)
	}
	heads := bare.forward(p, valueFrom(8, 1, 2, 3, 4, 10, 20, 30, 40))
	if diff := cmp.Diff(want[0], heads.data()[0], near); diff != "" {
		t.Errorf("two heads in a row are not normalised one by one:\n%s", diff)
	}
	if bare.forward(newTestPass(1, true), valueFrom(4, 1, 2, 3, 4)).bf16 {
		t.Error("a LayerNorm's result is bfloat16; autocast keeps it in float32")
	}
}

func TestActivations(t *testing.T) {
	p := newTestPass(1, false)
	in := []float32{-3, -1, 0, 0.5, 2}
	for _, c := range []struct {
		name string
		f    func(*pass[float32], value[float32]) value[float32]
		want []float32
	}{
		{"silu", silu[float32], []float32{-0.14227762, -0.26894143, 0, 0.31122968, 1.7615942}},
		{"gelu", gelu[float32], []float32{-0.00404969, -0.15865525, 0, 0.34573123, 1.9544997}},
		{"gelu tanh", geluTanh[float32], []float32{-0.00363739, -0.15880801, 0, 0.34571401, 1.9545977}},
	} {
		if diff := cmp.Diff(c.want, c.f(p, valueFrom(5, in...)).data(), near); diff != "" {
			t.Errorf("%s:\n%s", c.name, diff)
		}
	}
	// The second half gates: [a | g] → a·silu(g).
	if diff := cmp.Diff([]float32{3 * 0.7310586, 4 * 1.7615942}, swiglu(p, valueFrom(4, 3, 4, 1, 2)).data(), near); diff != "" {
		t.Errorf("swiglu:\n%s", diff)
	}
	if _, err := activationNamed[float32]("relu"); err == nil {
		t.Error("relu is no activation of the VAE")
	}
}

func TestSinusoid(t *testing.T) {
	p := newTestPass(2, false)
	got := sinusoid(p, []float32{0, 3})
	if got.row(0)[5] != 0 || got.row(0)[128+5] != 1 {
		t.Error("t = 0 gives not sin 0 before cos 0")
	}
	// The exponent divides by 128, not by 127.
	f := math.Pow(10000, -40.0/128)
	want := []float32{float32(math.Sin(3)), float32(math.Sin(3 * f)), float32(math.Cos(3)), float32(math.Cos(3 * f))}
	row := got.row(1)
	if diff := cmp.Diff(want, []float32{row[0], row[40], row[128], row[168]}, near); diff != "" {
		t.Error(diff)
	}
}

// The two models rotate differently: neighbours over the first channels, halves
// over all of them.
func TestRotations(t *testing.T) {
	p := newTestPass(1, false)
	r := newRotary[float32]([]float32{math.Pi / 2, math.Pi})
	at := []int{1} // quarter turn for the first pair, half turn for the second
	x := valueFrom(6, 1, 2, 3, 4, 5, 6)
	dit := (&DiTRope[float32]{r}).forward(p, x, 6, at)
	if diff := cmp.Diff([]float32{-2, 1, -3, -4, 5, 6}, dit.data(), near); diff != "" {
		t.Errorf("interleaved over 4 of 6 channels:\n%s", diff)
	}
	vae := (&VAERope[float32]{r, true}).forward(p, valueFrom(8, 1, 2, 3, 4, 5, 6, 7, 8), 4, at)
	if diff := cmp.Diff([]float32{-3, -2, 1, -4, -7, -6, 5, -8}, vae.data(), near); diff != "" {
		t.Errorf("halves, two heads:\n%s", diff)
	}
	if diff := cmp.Diff([]float32{1, 2, 3, 4, 5, 6}, x.data()); diff != "" {
		t.Errorf("the input changed:\n%s", diff)
	}
}

// Without full precision the VAE's rotation rounds sine, cosine, products and sum;
// with it, the result alone.
func TestRotationUnderReleased(t *testing.T) {
	p := newTestPass(1, true)
	angle, rb := float32(0.3), dtype.RoundBF16
	r := newRotary[float32]([]float32{angle})
	sin, cos := float32(math.Sin(float64(angle))), float32(math.Cos(float64(angle)))
	apart := 0
	for i := range 50 {
		a, b := rb(1+float32(i)/40), rb(0.7-float32(i)/30)
		x := valueFrom(2, a, b)
		x.bf16 = true
		half := (&VAERope[float32]{r, false}).forward(p, x, 2, []int{1})
		full := (&VAERope[float32]{r, true}).forward(p, x, 2, []int{1})
		s, c := rb(sin), rb(cos)
		if diff := cmp.Diff([]float32{rb(rb(a*c) - rb(b*s)), rb(rb(b*c) + rb(a*s))}, half.data()); diff != "" {
			t.Errorf("half precision:\n%s", diff)
		}
		if diff := cmp.Diff([]float32{rb(float32(a*cos) - float32(b*sin)), rb(float32(b*cos) + float32(a*sin))}, full.data()); diff != "" {
			t.Errorf("full precision:\n%s", diff)
		}
		if !half.bf16 || !full.bf16 {
			t.Error("the result is not bfloat16, as its input")
		}
		if !cmp.Equal(half.data(), full.data()) {
			apart++
		}
	}
	if apart == 0 {
		t.Error("the examples do not tell half from full precision")
	}
}

// The latent is (mode − shift)·scale, in the type of the mode.
func TestLatents(t *testing.T) {
	x := valueFrom(4, dtype.RoundBF16(1.2), dtype.RoundBF16(-0.4), 9, 9) // mean, log-variance
	for _, c := range []struct {
		name  string
		bf16  bool
		norm  *LayerNorm[float32]
		first float32
	}{
		{"identity", false, nil, float32((1.203125 - 0.21) * 0.7)},
		{"identity under released", true, nil, dtype.RoundBF16(dtype.RoundBF16(1.203125-0.21) * 0.7)},
		{"norm under released", true, &LayerNorm[float32]{width: 2}, float32((1 - 0.21) * 0.7)},
	} {
		x.bf16 = c.bf16
		e := &Encoder[float32]{latent: 2, shift: 0.21, scale: 0.7, FinalNorm: c.norm}
		got := e.latents(newTestPass(1, c.bf16), x)
		if diff := cmp.Diff(c.first, got.data()[0], near); diff != "" || got.bf16 || got.cols() != 2 {
			t.Errorf("%s: %d columns, bfloat16: %v\n%s", c.name, got.cols(), got.bf16, diff)
		}
	}
}

// A released product rounds inputs, weights and bias, adds the bias before it
// rounds the result, and rounds that once.
func TestLinearUnderReleased(t *testing.T) {
	narrow := func(x float32) float32 { return dtype.RoundBF16(x) }
	const x, w, b = 1.009, 1.007, 0.00387
	l := &loader[float32]{released: true, workers: 1}
	layer := &Linear[float32]{in: 1, out: 1}
	layer.W = l.param(tensor.FromFloat32s("w", tensor.Shape{1, 1}, []float32{w}), true, 1, 1)
	layer.B = l.param(tensor.FromFloat32s("b", tensor.Shape{1}, []float32{b}), true, 1, 1)
	got := layer.forward(newTestPass(1, true), valueFrom(1, x))
	want := narrow(narrow(x)*narrow(w) + narrow(b))
	if got.data()[0] != want || !got.bf16 {
		t.Errorf("got %v (bfloat16: %v), want %v", got.data()[0], got.bf16, want)
	}
	if twice := narrow(narrow(narrow(x)*narrow(w)) + narrow(b)); twice == want {
		t.Error("the example does not tell one rounding from two")
	}
}

// 1 + scale is rounded to bfloat16, the modulated norm is not.
func TestModulateAndGateUnderReleased(t *testing.T) {
	p := newTestPass(1, true)
	rb := dtype.RoundBF16
	of := []int{0}
	lines := valueFrom(2, rb(0.3), rb(0.0123)) // shift, scale
	lines.bf16 = true
	norm := valueFrom(1, float32(0.12345678))
	got := modulate(p, norm, chunked(lines, of))
	want := float32(norm.data()[0]*rb(1+rb(0.0123))) + rb(0.3)
	if got.data()[0] != want || got.bf16 {
		t.Errorf("modulated: %v (bfloat16: %v), want %v in float32", got.data()[0], got.bf16, want)
	}
	hid, residual := valueFrom(1, rb(1.7)), valueFrom(1, rb(2.9))
	hid.bf16, residual.bf16 = true, true
	sum := gated(p, hid, table[float32]{lines: lines, of: of, to: 1}, residual)
	if want := rb(rb(rb(1.7)*rb(0.3)) + rb(2.9)); sum.data()[0] != want || !sum.bf16 {
		t.Errorf("gated: %v (bfloat16: %v), want %v", sum.data()[0], sum.bf16, want)
	}
	if wide := add(p, hid, valueFrom(1, float32(0.1))); wide.bf16 {
		t.Error("bfloat16 + float32 is not float32")
	}
}

// What nobody observes is not even named.
func TestUnobservedCostsNothing(t *testing.T) {
	p := newTestPass(1, false)
	v := valueFrom(2, 1, 2)
	module := "dit.blocks.0."
	if n := testing.AllocsPerRun(100, func() { p.see(module, "in", v) }); n != 0 {
		t.Errorf("%v allocations for a value that nobody wants", n)
	}
}

func TestLargest(t *testing.T) {
	nan := float32(math.NaN())
	for _, c := range []struct {
		name   string
		row    []float32
		values []float32
		ids    []int32
	}{
		{"descending", []float32{1, 5, 3, 4}, []float32{5, 4, 3}, []int32{1, 3, 2}},
		{"lower id first on ties", []float32{2, 7, 7, 2, 7}, []float32{7, 7, 7}, []int32{1, 2, 4}},
		{"infinities", []float32{0, float32(math.Inf(-1)), float32(math.Inf(1))}, []float32{float32(math.Inf(1)), 0, float32(math.Inf(-1))}, []int32{2, 0, 1}},
		{"NaN counts as largest", []float32{9, nan, 10}, []float32{nan, 10, 9}, []int32{1, 2, 0}},
	} {
		values, ids := make([]float32, 3), make([]int32, 3)
		largest(c.row, values, ids)
		if diff := cmp.Diff(c.values, values, cmpopts.EquateNaNs()); diff != "" {
			t.Errorf("%s:\n%s", c.name, diff)
		}
		if diff := cmp.Diff(c.ids, ids); diff != "" {
			t.Errorf("%s:\n%s", c.name, diff)
		}
	}
	if got := logSumExp([]float32{1000, 1000}); math.Abs(got-(1000+math.Ln2)) > 1e-9 {
		t.Errorf("log Σ e^1000 = %v", got)
	}
}
