package ops

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"colakit/kernels/device"
	"colakit/kernels/emulated"
)

// TestActivate compares over the whole range of each type, tails and infinities
// included.
func TestActivate(t *testing.T) {
	var values []float32
	for e := -30; e < 8; e++ {
		for _, m := range []float64{1, 1.3, 1.9} {
			values = append(values, float32(math.Ldexp(m, e)), float32(-math.Ldexp(m, e)))
		}
	}
	values = append(values, 0, 88, -88, 104, -104)
	for _, typ := range []Type{F32, BF16, F16} {
		for _, f := range []Activation{Identity, GELUTanh, GELU, SiLU} {
			x := numbers(typ, 3, len(values)/3, len(values)/3+2, values)
			got := inEveryOrder(t, func(b *bench) []float32 {
				y := b.fresh(typ, x.rows, x.cols, x.cols+1)
				b.must(b.o.Activate(y, b.put(x), f))
				return b.get(y)
			})
			var want []estimate
			for _, v := range x.values {
				e := activationOracle(estimate{value: float64(v)}, f)
				if f != Identity {
					e.err += 64 * unit(F32) * math.Abs(e.value) // e^x of large x
				}
				want = append(want, e.rounded(typ))
			}
			check(t, got, want)
		}
	}
}

func TestSwiGLU(t *testing.T) {
	x := random(BF16, 4, 2*270, 545, 2, 1)
	got := inEveryOrder(t, func(b *bench) []float32 {
		y := b.fresh(BF16, 4, 270, 270)
		b.must(b.o.SwiGLU(y, b.put(x)))
		return b.get(y)
	})
	var want []estimate
	for r := range x.rows {
		for c := range 270 {
			g := activationOracle(estimate{value: x.at(r, 270+c)}, SiLU).rounded(BF16)
			want = append(want, estimate{g.value * x.at(r, c), g.err * math.Abs(x.at(r, c))}.rounded(BF16))
		}
	}
	check(t, got, want)
}

// TestGateResidual expects what the epilogue of a linear layer gives, to the bit.
func TestGateResidual(t *testing.T) {
	const rows, cols = 6, 70
	x, gate, residual := random(BF16, rows, cols, cols, 1, 1), random(BF16, 3, cols, 2*cols, 1, 2), random(BF16, rows, cols, 75, 1, 3)
	line := []int32{2, 0, 1, 1, 0, 2}
	for _, gated := range []bool{true, false} {
		var want []float32
		for r := range rows {
			for c := range cols {
				v := float32(x.at(r, c))
				if gated {
					v = rounded(v*float32(gate.at(int(line[r]), c)), BF16)
				}
				want = append(want, rounded(v+float32(residual.at(r, c)), BF16))
			}
		}
		got := inEveryOrder(t, func(b *bench) []float32 {
			table := Table{}
			if gated {
				table = Table{b.put(gate), b.ints(line)}
			}
			y := b.put(residual) // in place
			b.must(b.o.GateResidual(y, b.put(x), table, y))
			return b.get(y)
		})
		same(t, got, want)
	}
}

func TestConvert(t *testing.T) {
	for _, from := range []Type{F32, BF16, F16} {
		for _, to := range []Type{F32, BF16, F16} {
			x := random(from, 5, 300, 303, 1e5, 1)
			want := numbers(to, 5, 300, 300, x.values).values
			same(t, inEveryOrder(t, func(b *bench) []float32 {
				y := b.fresh(to, 5, 300, 304)
				b.must(b.o.Convert(y, b.put(x), true))
				y.Cols = y.Stride
				padded, values := b.get(y), []float32{}
				for r := range 5 {
					values = append(values, padded[304*r:304*r+300]...)
					same(t, padded[304*r+300:304*(r+1)], make([]float32, 4))
				}
				return values
			}), want)
		}
	}
}

func TestPatches(t *testing.T) {
	const latents, patch, d = 5, 3, 90
	table := random(F16, 11, d, d, 1, 1)
	ids := []int32{0, 10, 3, 3, 3, 1, 2, 9, 8, 7, 6, 5, 4, 0, 1}
	x := random(BF16, latents, d*patch, d*patch+6, 1, 2)
	var embedded, tokens []float32
	for r := range latents {
		for i := range d {
			for s := range patch {
				embedded = append(embedded, rounded(float32(table.at(int(ids[r*patch+s]), i)), BF16))
			}
		}
		for s := range patch {
			for c := range d {
				tokens = append(tokens, float32(x.at(r, c*patch+s)))
			}
		}
	}
	same(t, inEveryOrder(t, func(b *bench) []float32 {
		y := b.fresh(BF16, latents, d*patch, d*patch+2)
		b.must(b.o.EmbedPatches(y, b.ints(ids), b.put0(F16, table.values, 11, d), patch))
		z := b.fresh(F32, latents*patch, d, d)
		b.must(b.o.Unpatch(z, b.put(x), patch))
		return append(b.get(y), b.get(z)...)
	}), slices.Concat(embedded, tokens))
}

// TestSinusoid compares with float64's functions of the fp32 angle.
func TestSinusoid(t *testing.T) {
	times, frequency := []float32{0, 1, 937.5, 1000, 62.5}, make([]float32, 128)
	for i := range frequency {
		frequency[i] = float32(math.Exp(-math.Log(10000) * float64(i) / 128))
	}
	for _, round := range []Type{F32, BF16} {
		var want []float32
		for _, at := range times {
			row := make([]float32, 256)
			for i, f := range frequency {
				sin, cos := math.Sincos(float64(rounded(at, round) * f))
				row[i], row[128+i] = rounded(float32(sin), round), rounded(float32(cos), round)
			}
			want = append(want, row...)
		}
		same(t, inEveryOrder(t, func(b *bench) []float32 {
			y := b.fresh(round, len(times), 256, 260)
			b.must(b.o.Sinusoid(y, b.vector(times), b.vector(frequency), round))
			return b.get(y)
		}), want)
	}
}

func TestLatents(t *testing.T) {
	x := random(BF16, 6, 50, 100, 1, 1)
	var want []float32
	for _, v := range x.values {
		want = append(want, rounded(rounded(v-0.3, BF16)*0.77, BF16))
	}
	same(t, inEveryOrder(t, func(b *bench) []float32 {
		y := b.fresh(F32, 6, 50, 50)
		b.must(b.o.Latents(y, b.put(x), 0.3, 0.77))
		return b.get(y)
	}), want)
}

// TestRefusals expects wrong operands to be refused before anything is launched.
func TestRefusals(t *testing.T) {
	b := newBench(t, emulated.Options{})
	x, y := b.put(random(BF16, 4, 32, 32, 1, 1)), b.fresh(BF16, 4, 32, 32)
	l := b.layer(Weights{Type: BF16, Out: 32, In: 32, Data: make([]byte, 32*32*2)})
	short, wrong := y, y
	short.Rows, wrong.Type = 5, I8
	outside := y
	outside.Offset = 2
	for reason, err := range map[string]error{
		"rows that differ":            b.o.Activate(short, x, SiLU),
		"a type without numbers":      b.o.Convert(wrong, x, false),
		"an end outside the buffer":   b.o.Activate(outside, x, SiLU),
		"an activation of pairs":      b.o.Activate(y, x, SwiGLU),
		"an input of another width":   b.o.Linear(y, x.Columns(0, 16), Vector{}, l, Epilogue{}),
		"an input of another type":    b.o.Linear(y, b.put(random(F16, 4, 32, 32, 1, 1)), Vector{}, l, Epilogue{}),
		"SwiGLU of weights unpaired":  b.o.Linear(y, x, Vector{}, l, Epilogue{Activation: SwiGLU}),
		"a layer without weights":     b.o.Linear(y, x, Vector{}, &Linear{In: 32, Out: 32}, Epilogue{}),
		"a gate with too few lines":   b.o.Linear(y, x, Vector{}, l, Epilogue{Gate: Table{Lines: b.put(random(BF16, 3, 32, 32, 1, 1))}}),
		"a residual of another shape": b.o.GateResidual(y, x, Table{}, x.Columns(0, 31)),
		"runs that do not divide":     b.o.LayerNorm(y, Vector{}, x, 24, Norm{}),
		"gamma without beta":          b.o.LayerNorm(y, Vector{}, x, 32, Norm{Gamma: b.vector(make([]float32, 32))}),
		"a vector too short":          b.o.LayerNorm(y, Vector{}, x, 32, Norm{Gamma: b.vector(make([]float32, 8)), Beta: b.vector(make([]float32, 32))}),
		"heads that do not divide":    b.o.Attention(y, x, Cache{}, Attention{Geometry: Geometry{3, 2, 8}}),
		"draws at no temperature":     b.o.Draw(b.ints(make([]int32, 4)), Matrix{}, x, Matrix{}, Sampling{Each: 1}),
	} {
		if !errors.Is(err, device.ErrArgument) {
			t.Errorf("%s: the error is %v", reason, err)
		}
	}
}

// TestNoRows expects operations on nothing to do nothing.
func TestNoRows(t *testing.T) {
	b := newBench(t, emulated.Options{})
	none := b.put(random(BF16, 4, 32, 32, 1, 1)).Slice(2, 2)
	l := b.layer(Weights{Type: BF16, Out: 32, In: 32, Data: make([]byte, 32*32*2)})
	for i, err := range []error{
		b.o.Linear(none, none, Vector{}, l, Epilogue{}), b.o.LayerNorm(none, Vector{}, none, 32, Norm{}), b.o.Activate(none, none, GELU),
		b.o.Convert(none, none, true), b.o.GateResidual(none, none, Table{}, none),
	} {
		if err != nil {
			t.Error(fmt.Sprint("operation ", i, ": "), err)
		}
	}
}
