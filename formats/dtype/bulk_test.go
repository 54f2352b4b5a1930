package dtype

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"testing"
)

// TestBulkEqualsScalarOnEveryCode widens all codes at once and rounds the
// neighbourhoods of all of them at once, with each kernel.
func TestBulkEqualsScalarOnEveryCode(t *testing.T) {
	for typ, f := range halves {
		raw := make([]byte, 2*codes)
		for c := range codes {
			binary.LittleEndian.PutUint16(raw[2*c:], uint16(c))
		}
		in := probes(f.widen)
		out := make([]byte, 2*len(in))
		eachKernel(t, func(t *testing.T) {
			narrow, wide := make([]float32, codes), make([]float64, codes)
			check(t, Float32s(narrow, raw, typ))
			check(t, Float64s(wide, raw, typ))
			for c := range codes {
				want := f.widen(uint16(c))
				if math.Float32bits(narrow[c]) != math.Float32bits(want) {
					t.Fatalf("%v code %#04x: got %v, want %v", typ, c, narrow[c], want)
				}
				if math.Float64bits(wide[c]) != math.Float64bits(float64(want)) {
					t.Fatalf("%v code %#04x as float64: got %v, want %v", typ, c, wide[c], want)
				}
			}
			check(t, FromFloat32s(out, in, typ))
			for i, v := range in {
				if got := binary.LittleEndian.Uint16(out[2*i:]); got != f.round(v) {
					t.Fatalf("%v of %v (%#08x): got %#04x, want %#04x", typ, v, math.Float32bits(v), got, f.round(v))
				}
			}
		})
	}
}

func TestBulkRoundTripIsExact(t *testing.T) {
	values := []float32{0, float32(math.Copysign(0, -1)), 1, -2.5, 0x1p-24, -0x1p-14, 240, float32(math.Inf(1)), float32(math.Inf(-1))}
	for _, typ := range []Type{F32, F64, F16, BF16} {
		raw, again := make([]byte, len(values)*typ.Size()), make([]byte, len(values)*typ.Size())
		narrow, wide := make([]float32, len(values)), make([]float64, len(values))
		check(t, FromFloat32s(raw, values, typ))
		check(t, Float32s(narrow, raw, typ))
		check(t, Float64s(wide, raw, typ))
		for i, v := range values {
			if math.Float32bits(narrow[i]) != math.Float32bits(v) || wide[i] != float64(v) {
				t.Errorf("%v: %v came back as %v and %v", typ, v, narrow[i], wide[i])
			}
		}
		check(t, FromFloat64s(again, wide, typ))
		if !bytes.Equal(raw, again) {
			t.Errorf("%v: float32 and float64 encode differently", typ)
		}
	}
}

func TestFloat64NarrowsToNearestEven(t *testing.T) {
	raw := binary.LittleEndian.AppendUint64(nil, math.Float64bits(1+0x1p-24)) // a tie
	raw = binary.LittleEndian.AppendUint64(raw, math.Float64bits(1+0x1.8p-23))
	got := make([]float32, 2)
	check(t, Float32s(got, raw, F64))
	if got[0] != 1 || got[1] != 1+0x1p-22 {
		t.Errorf("got %v", got)
	}
}

func TestBulkRefusesWrongSizesAndTypes(t *testing.T) {
	tests := []struct {
		values, bytes int
		typ           Type
	}{
		{3, 7, F16}, {3, 8, F16}, {3, 4, F16}, {2, 15, F64}, {1, 0, F32}, {0, 1, BF16},
		{1, 1, I8}, {1, 4, I32}, {1, 1, Bool}, {0, 0, Invalid}, {0, 0, Type(99)},
	}
	for _, tt := range tests {
		narrow, wide, raw := make([]float32, tt.values), make([]float64, tt.values), make([]byte, tt.bytes)
		for name, err := range map[string]error{
			"Float32s":     Float32s(narrow, raw, tt.typ),
			"Float64s":     Float64s(wide, raw, tt.typ),
			"FromFloat32s": FromFloat32s(raw, narrow, tt.typ),
			"FromFloat64s": FromFloat64s(raw, wide, tt.typ),
		} {
			if err == nil {
				t.Errorf("%s took %d bytes of %v for %d values", name, tt.bytes, tt.typ, tt.values)
			}
		}
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// BenchmarkBulk reports bytes of float32 per second.
func BenchmarkBulk(b *testing.B) {
	const n = 1 << 16
	values := make([]float32, n)
	for i := range values {
		values[i] = float32(math.Sin(float64(i))) * 0.05
	}
	for _, typ := range []Type{F16, BF16, F32} {
		raw := make([]byte, n*typ.Size())
		b.Run(fmt.Sprintf("from/%v", typ), func(b *testing.B) {
			b.SetBytes(4 * n)
			for b.Loop() {
				_ = FromFloat32s(raw, values, typ)
			}
		})
		b.Run(fmt.Sprintf("to/%v", typ), func(b *testing.B) {
			b.SetBytes(4 * n)
			for b.Loop() {
				_ = Float32s(values, raw, typ)
			}
		})
	}
}
