package gguf

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"colakit/formats/dtype"
)

// plainQ8 is the definition of Q8_0, step by step: math.Round takes halves away
// from zero, in float64, which holds every float32.
func plainQ8(src []float32) []byte {
	amax := float32(0)
	for _, x := range src {
		a := float32(math.Abs(float64(x)))
		if a > amax || a != a {
			amax = a
		}
		if a != a {
			break
		}
	}
	d := amax / 127
	inverse := float32(0)
	if d != 0 {
		inverse = 1 / d
	}
	b := binary.LittleEndian.AppendUint16(nil, dtype.Float32ToF16(d))
	for _, x := range src {
		q := math.Round(float64(float32(x * inverse)))
		if math.IsNaN(q) || math.IsInf(q, 0) {
			q = 0
		}
		b = append(b, byte(int8(q)))
	}
	return b
}

func encode(t testing.TB, src []float32) []byte {
	t.Helper()
	dst := make([]byte, len(src)/q8Elements*q8Bytes)
	if err := EncodeQ8_0(dst, src); err != nil {
		t.Fatal(err)
	}
	return dst
}

func decode32(t testing.TB, src []byte) []float32 {
	t.Helper()
	dst := make([]float32, len(src)/q8Bytes*q8Elements)
	if err := DecodeQ8_0(dst, src); err != nil {
		t.Fatal(err)
	}
	return dst
}

// block is a block that starts with values and is zero behind them.
func block(values ...float32) []float32 {
	return append(values, make([]float32, q8Elements-len(values))...)
}

// TestQ8Cases has the bytes that the Python package gguf 0.19 gives.
func TestQ8Cases(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	zero := float32(math.Copysign(0, -1))
	for _, c := range []struct {
		reason string
		src    []float32
		want   string // the scale and the first codes
	}{
		{"zeros", block(), "0000 0000"},
		{"halves go away from zero", block(127, 63.5, -63.5, 0.5, -0.5, 1.5, 2.5, -2.5), "003c 7f40c001ff0203fd"},
		{"next to a half", block(127, 0.49999997, -0.49999997, 0.50000006, 126.49999), "003c 7f0000017e"},
		{"negative zero and tiny values", block(zero, -1e-30, 1e-8, 1), "0820 0000007f"},
		{"the largest is negative", block(-1, 0.25), "0820 8120"},
		{"scale below a half step of binary16", block(1e-7, -1e-7), "0000 7f81"},
		{"subnormal scale", block(1e-4, -5e-5), "0d00 7fc0"},
		{"1/d is infinite", block(1e-37, -5e-38), "0000 0000"},
		{"d is zero", block(1e-45, -1e-45), "0000 0000"},
		{"largest scale", block(8.32e6, 1), "ff7b 7f00"},
		{"scale overflows", block(1e7, -3e6), "007c 7fda"},
		{"largest float32", block(math.MaxFloat32, 1), "007c 7f00"},
		{"infinity", block(1, -inf, 2), "007c 0000"},
		{"NaN", block(1, nan, -2), "007e 0000"},
		{"NaN and infinity", block(inf, nan), "007e 0000"},
	} {
		got := encode(t, c.src)
		shown := fmt.Sprintf("%x %x", got[:2], got[2:2+(len(c.want)-5)/2])
		if shown != c.want || !bytes.Equal(got, plainQ8(c.src)) {
			t.Errorf("%s: %s, want %s; by definition %x", c.reason, shown, c.want, plainQ8(c.src)[:12])
		}
		if n := (len(c.want) - 5) / 2; !bytes.Equal(got[2+n:], make([]byte, q8Elements-n)) {
			t.Errorf("%s: codes behind the values are not zero", c.reason)
		}
	}
}

// TestQ8Rounding compares the rounding used with math.Round at every float32
// next to a multiple of a half, and elsewhere.
func TestQ8Rounding(t *testing.T) {
	check := func(y float32) {
		got := int32(y + roundingHalf[math.Float32bits(y)>>31])
		if float64(got) != math.Round(float64(y)) {
			t.Fatalf("%v is rounded to %d", y, got)
		}
	}
	for k := -255; k <= 255; k++ {
		y := float32(k) / 2
		for _, near := range []float32{y, math.Nextafter32(y, 1000), math.Nextafter32(y, -1000)} {
			check(near)
		}
	}
	random := rand.New(rand.NewPCG(3, 4))
	for range 1_000_000 {
		check((random.Float32()*2 - 1) * 127.5)
		check(math.Float32frombits(random.Uint32N(0x42fe0000)))
	}
}

// TestQ8Random compares with the definition, over the whole range of float32 and
// for several blocks at once.
func TestQ8Random(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for range 20000 {
		scale := math.Ldexp(1, random.IntN(280)-150)
		src := make([]float32, q8Elements*(1+random.IntN(3)))
		var want []byte
		for i := range src {
			src[i] = float32(random.NormFloat64() * scale)
		}
		for at := 0; at < len(src); at += q8Elements {
			want = append(want, plainQ8(src[at:at+q8Elements])...)
		}
		if got := encode(t, src); !bytes.Equal(got, want) {
			t.Fatalf("scale %g: %v\n got %x\nwant %x", scale, src, got, want)
		}
	}
}

// TestQ8Decode decodes every code with scales of all kinds, and holds the
// distance to the encoded values to half a step and the error of the scale.
func TestQ8Decode(t *testing.T) {
	for _, d := range []float32{0, 0x1p-24, 0x1p-14, 0.1, 1, 65504, float32(math.Inf(1))} {
		for first := -128; first < 128; first += q8Elements {
			b := binary.LittleEndian.AppendUint16(nil, dtype.Float32ToF16(d))
			for i := range q8Elements {
				b = append(b, byte(first+i))
			}
			for i, got := range decode32(t, b) {
				want := float32(first+i) * dtype.F16ToFloat32(dtype.Float32ToF16(d))
				if math.Float32bits(got) != math.Float32bits(want) && want == want {
					t.Errorf("%d with scale %v: %v, want %v", first+i, d, got, want)
				}
			}
		}
	}
	random := rand.New(rand.NewPCG(7, 8))
	src := make([]float32, 1<<12)
	for i := range src {
		src[i] = float32(random.NormFloat64())
	}
	for i, got := range decode32(t, encode(t, src)) {
		amax := float64(0)
		for _, x := range src[i/q8Elements*q8Elements:][:q8Elements] {
			amax = max(amax, math.Abs(float64(x)))
		}
		// half a step of amax/127, and 127 steps that are each off by the
		// rounding of the scale, 2⁻¹¹ of it
		if bound := amax/127*0.5001 + amax*0x1p-11; !(math.Abs(float64(got-src[i])) <= bound) {
			t.Fatalf("%v decodes to %v, more than %g off", src[i], got, bound)
		}
	}
}

func TestQ8Lengths(t *testing.T) {
	for _, c := range []struct {
		elements, bytes int
		fits            bool
	}{
		{0, 0, true}, {32, 34, true}, {96, 102, true},
		{31, 34, false}, {32, 33, false}, {33, 34, false}, {64, 34, false}, {32, 68, false}, {0, 34, false},
	} {
		err := EncodeQ8_0(make([]byte, c.bytes), make([]float32, c.elements))
		if other := DecodeQ8_0(make([]float32, c.elements), make([]byte, c.bytes)); (err == nil) != c.fits || (other == nil) != c.fits {
			t.Errorf("%d elements, %d bytes: %v, %v", c.elements, c.bytes, err, other)
		}
	}
}

func FuzzQ8(f *testing.F) {
	f.Add([]byte("\x00\x00\x80\x3f\x00\x00\x00\xbf"), uint32(0))
	f.Fuzz(func(t *testing.T, raw []byte, rest uint32) {
		src := make([]float32, q8Elements)
		for i := range src {
			src[i] = math.Float32frombits(rest)
			if len(raw) >= 4*i+4 {
				src[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
			}
		}
		got, want := encode(t, src), plainQ8(src)
		if bytes.Equal(got[2:], want[2:]) && bytes.Equal(got[:2], want[:2]) {
			return
		}
		// Which of several NaN gives its payload to the scale is left open.
		if d := dtype.F16ToFloat32(binary.LittleEndian.Uint16(want)); d == d || !bytes.Equal(got[2:], want[2:]) {
			t.Errorf("%v\n got %x\nwant %x", src, got, want)
		}
	})
}

func BenchmarkEncodeQ8_0(b *testing.B) {
	src := make([]float32, 1<<18)
	for i := range src {
		src[i] = float32(rand.NormFloat64())
	}
	dst := make([]byte, len(src)/q8Elements*q8Bytes)
	b.SetBytes(int64(4 * len(src)))
	for b.Loop() {
		if err := EncodeQ8_0(dst, src); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeQ8_0(b *testing.B) {
	dst := make([]float32, 1<<18)
	src := make([]byte, len(dst)/q8Elements*q8Bytes)
	b.SetBytes(int64(4 * len(dst)))
	for b.Loop() {
		if err := DecodeQ8_0(dst, src); err != nil {
			b.Fatal(err)
		}
	}
}
