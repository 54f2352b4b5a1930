package export

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
	"colakit/quantize/int8"
)

// matrix returns values as a tensor of the artifact, of a float type.
func matrix(t testing.TB, typ dtype.Type, cols int, values []float32) tensor.View {
	t.Helper()
	v := tensor.View{Desc: tensor.Desc{Name: "x", Type: typ, Shape: tensor.Shape{len(values) / cols, cols}}, Data: make([]byte, len(values)*typ.Size())}
	if err := dtype.FromFloat32s(v.Data, values, typ); err != nil {
		t.Fatal(err)
	}
	return v
}

// coded returns values as an int8 tensor of the artifact.
func coded(t testing.TB, group int, scale dtype.Type, cols int, values []float32) tensor.View {
	t.Helper()
	q := tensor.Quantization{Group: group, Scale: scale}
	rows := len(values) / cols
	v := tensor.View{
		Desc: tensor.Desc{Name: "x", Type: dtype.I8, Shape: tensor.Shape{rows, cols}, Quantization: &q},
		Data: make([]byte, len(values)), Scales: make([]byte, rows*q.ScalesPerRow(cols)*scale.Size()),
	}
	if _, err := int8.Quantize(v.Data, v.Scales, values, rows, cols, int8.Scheme{Quantization: q}); err != nil {
		t.Fatal(err)
	}
	return v
}

func codesOf(group int) codec {
	return codes{int8.Scheme{Quantization: tensor.Quantization{Group: group, Scale: dtype.F32}}}
}

// ordinary and wild are values of one and of all magnitudes, with blocks of zeros.
func ordinary(n int) []float32 { return random(n, func(int) float64 { return 0.02 }) }

func wild(n int) []float32 {
	return random(n, func(i int) float64 { return math.Ldexp(float64(i/64%5), i/32%60-40) })
}

func random(n int, scale func(i int) float64) []float32 {
	source := rand.New(rand.NewPCG(3, 4))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(source.NormFloat64() * scale(i))
	}
	return x
}

// encoded encodes a whole tensor as one tile.
func encoded(t testing.TB, c codec, v tensor.View) (data, scales []byte, tl tile) {
	t.Helper()
	tl = cut(v, 0)
	d, s := c.rowBytes(tl.cols)
	data, scales = make([]byte, tl.rows*d), make([]byte, tl.rows*s)
	if err := c.encode(data, scales, tl, &buffers{}); err != nil {
		t.Fatal(err)
	}
	return data, scales, tl
}

// TestCodecs: what a codec writes passes its own check, and no flipped bit does that
// changes a value by more than it promises.
func TestCodecs(t *testing.T) {
	for _, c := range []struct {
		name  string
		codec codec
		from  tensor.View
	}{
		{"f32 copied", floats{dtype.F32}, matrix(t, dtype.F32, 96, wild(960))},
		{"f32 to f16", floats{dtype.F16}, matrix(t, dtype.F32, 96, ordinary(960))},
		{"f16 to bf16", floats{dtype.BF16}, matrix(t, dtype.F16, 96, ordinary(960))},
		{"bf16 to f32", floats{dtype.F32}, matrix(t, dtype.BF16, 96, wild(960))},
		{"int8 to f32", floats{dtype.F32}, coded(t, 0, dtype.F32, 96, ordinary(960))},
		{"f32 to Q8_0", blocks{}, matrix(t, dtype.F32, 96, ordinary(960))},
		{"all magnitudes to Q8_0", blocks{}, matrix(t, dtype.F32, 96, wild(9600))},
		{"f16 to Q8_0", blocks{}, matrix(t, dtype.F16, 96, ordinary(960))},
		{"groups repacked as Q8_0", blocks{}, coded(t, 32, dtype.F16, 96, ordinary(960))},
		{"rows to Q8_0", blocks{}, coded(t, 0, dtype.F32, 96, ordinary(960))},
		{"f32 to int8", codesOf(0), matrix(t, dtype.F32, 96, ordinary(960))},
		{"all magnitudes to int8-g32", codesOf(32), matrix(t, dtype.F32, 96, wild(9600))},
		{"int8 copied", codesOf(0), coded(t, 0, dtype.F32, 96, ordinary(960))},
		{"int8-g32 copied", codesOf(32), coded(t, 32, dtype.F16, 96, ordinary(960))},
	} {
		data, scales, tl := encoded(t, c.codec, c.from)
		if err := c.codec.check(data, scales, tl, &buffers{}); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		last := len(data) - 1
		data[last] ^= 0x40
		if err := c.codec.check(data, scales, tl, &buffers{}); err == nil {
			t.Errorf("%s: a flipped bit passes", c.name)
		}
		data[last] ^= 0x40
		if len(scales) > 0 {
			scales[len(scales)-1] ^= 1 // of the exponent
			if err := c.codec.check(data, scales, tl, &buffers{}); err == nil {
				t.Errorf("%s: a wrong scale passes", c.name)
			}
		}
	}
}

// TestCodecsRefuse: values that can't be stored are named.
func TestCodecsRefuse(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	at := func(x float32) tensor.View {
		values := make([]float32, 64)
		values[40] = x
		return matrix(t, dtype.F32, 32, values)
	}
	for _, c := range []struct {
		codec codec
		x     float32
	}{
		{floats{dtype.F16}, 65505}, {floats{dtype.F16}, nan}, {floats{dtype.BF16}, math.MaxFloat32}, {floats{dtype.BF16}, -inf},
		{blocks{}, 8.4e6}, {blocks{}, nan}, {codesOf(0), inf}, {codesOf(32), nan},
	} {
		tl := cut(at(c.x), 0)
		d, s := c.codec.rowBytes(tl.cols)
		err := c.codec.encode(make([]byte, tl.rows*d), make([]byte, tl.rows*s), tl, &buffers{})
		if err == nil {
			t.Errorf("%v stores %v", c.codec, c.x)
		} else if _, isCodes := c.codec.(codes); !isCodes && !strings.Contains(err.Error(), "element 40") {
			t.Errorf("%v of %v: %v does not say where", c.codec, c.x, err)
		}
	}
}

// TestTies: elements halfway between two codes are where the rounding of quotient and
// product adds to half a step.
func TestTies(t *testing.T) {
	source := rand.New(rand.NewPCG(5, 6))
	for range 2000 {
		peak := float32(math.Exp(source.NormFloat64()))
		x := make([]float32, 64)
		for i := range x {
			half := float32(source.IntN(254)) - 126.5
			x[i] = half * (peak / 127)
			for range source.IntN(5) {
				x[i] = math.Nextafter32(x[i], float32(source.IntN(3)-1)*peak)
			}
		}
		x[0] = peak
		for _, c := range []codec{codesOf(0), codesOf(32), blocks{}} {
			data, scales, tl := encoded(t, c, matrix(t, dtype.F32, 64, x))
			if err := c.check(data, scales, tl, &buffers{}); err != nil {
				t.Fatalf("%v: %v", c, err)
			}
		}
	}
}

// TestTiles: tiles are whole rows, in order, and all of them.
func TestTiles(t *testing.T) {
	for _, shape := range []tensor.Shape{{3, tileElements}, {5, tileElements/2 + 1}, {tileElements + 7, 2}, {2, 3, 4}, {7}, {}, {1, 1}} {
		n, _ := shape.Elements()
		v := tensor.View{Desc: tensor.Desc{Type: dtype.F16, Shape: shape}, Data: make([]byte, 2*n)}
		rows, cols := rowsOf(shape)
		seen := 0
		for i := range tiles(shape) {
			tl := cut(v, i)
			if tl.cols != cols || len(tl.view.Data) != 2*tl.rows*cols || tl.rows > 1 && tl.rows*cols > tileElements {
				t.Errorf("%v: tile %d has %d rows of %d", shape, i, tl.rows, tl.cols)
			}
			seen += tl.rows
		}
		if seen != rows {
			t.Errorf("%v: the tiles have %d rows, want %d", shape, seen, rows)
		}
	}
}

// FuzzBlocks: whatever the finite values, Q8_0 is within what check allows.
func FuzzBlocks(f *testing.F) {
	f.Add(uint64(1), uint8(0))
	f.Add(uint64(7), uint8(200))
	f.Fuzz(func(t *testing.T, seed uint64, exponent uint8) {
		source := rand.New(rand.NewPCG(seed, 9))
		x := make([]float32, 128)
		for i := range x {
			x[i] = float32(math.Ldexp(source.NormFloat64(), int(exponent)%170-149))
		}
		for _, c := range []codec{blocks{}, codesOf(32), codesOf(0)} {
			data, scales, tl := encoded(t, c, matrix(t, dtype.F32, 64, x))
			if err := c.check(data, scales, tl, &buffers{}); err != nil {
				t.Fatal(fmt.Errorf("%v: %w", c, err))
			}
		}
	})
}
