package quantize

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/formats/dtype"
)

// encode returns values as elements of type t.
func encode(t testing.TB, values []float64, to dtype.Type) []byte {
	t.Helper()
	b := make([]byte, len(values)*to.Size())
	if err := dtype.FromFloat64s(b, values, to); err != nil {
		t.Fatal(err)
	}
	return b
}

func decode(t testing.TB, data []byte, from dtype.Type) []float64 {
	t.Helper()
	x := make([]float64, len(data)/from.Size())
	if err := dtype.Float64s(x, data, from); err != nil {
		t.Fatal(err)
	}
	return x
}

// weights returns n values as those of a trained matrix, some of them zero.
func weights(n int) []float64 {
	r := rand.New(rand.NewPCG(7, 7))
	x := make([]float64, n)
	for i := range x {
		x[i] = r.NormFloat64() * 0.03
		if i%97 == 0 {
			x[i] = 0
		}
	}
	return x
}

func convert(t testing.TB, c Cast, src []byte) ([]byte, Tally) {
	t.Helper()
	dst := make([]byte, len(src)/c.From.Size()*c.To.Type.Size())
	var tally Tally
	if err := Convert(dst, src, c, 0, &tally); err != nil {
		t.Fatal(err)
	}
	return dst, tally
}

// figuresOf is the definition of Figures, element by element.
func figuresOf(x, y []float64) Figures {
	var f Figures
	var squares, errors float64
	for i := range x {
		d := math.Abs(y[i] - x[i])
		squares, errors = squares+x[i]*x[i], errors+d*d
		if d > f.MaxAbs {
			f.MaxAbs, f.MaxAbsIndex = d, int64(i)
		}
		if x[i] != 0 && y[i] == 0 {
			f.Underflow++
		}
		f.Largest = math.Max(f.Largest, math.Abs(x[i]))
	}
	if squares > 0 {
		f.RelL2 = math.Sqrt(errors / squares)
	}
	return f
}

// TestConvert holds elements to the scalar conversion and figures to their
// definition, for every pair of types and for lengths with and without tails.
func TestConvert(t *testing.T) {
	close := cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) <= 1e-12*math.Abs(b) })
	for _, from := range []dtype.Type{dtype.F32, dtype.F16, dtype.BF16, dtype.F64} {
		for _, s := range floats {
			for _, n := range []int{0, 1, 7, 8, 9, blockElements - 1, blockElements, blockElements + 1, 5000} {
				src := encode(t, weights(n), from)
				dst, tally := convert(t, Cast{From: from, To: s}, src)
				x := decode(t, src, from)
				if want := encode(t, x, s.Type); !bytes.Equal(dst, want) {
					t.Fatalf("%d elements of %v to %v differ from the scalar conversion", n, from, s)
				}
				if diff := cmp.Diff(figuresOf(x, decode(t, dst, s.Type)), tally.Figures(), close); diff != "" {
					t.Errorf("%d elements of %v to %v, figures (-want +got)\n%s", n, from, s, diff)
				}
				if tally.Elements() != int64(n) {
					t.Errorf("%d elements counted, want %d", tally.Elements(), n)
				}
			}
		}
	}
}

// TestRelL2 pins what rounding costs: a mantissa of b bits gives a relative
// error near 2^−b/√12/1.2 on smooth data.
func TestRelL2(t *testing.T) {
	for s, want := range map[Scheme][2]float64{F32: {0, 0}, F16: {1.5e-4, 2.5e-4}, BF16: {1.2e-3, 2e-3}} {
		_, tally := convert(t, Cast{From: dtype.F32, To: s}, encode(t, weights(100000), dtype.F32))
		if got := tally.Figures().RelL2; got < want[0] || got > want[1] {
			t.Errorf("%v: relative error %g, want within %v", s, got, want)
		}
	}
}

// TestTilesAdd converts one tensor in tiles, in any order of work, added in their
// own order: bytes and every bit of the figures do not depend on that order, nor
// on how a tile is cut into calls.
func TestTilesAdd(t *testing.T) {
	const tile = 3 * blockElements
	c := Cast{From: dtype.F32, To: F16}
	src := encode(t, weights(10*tile+17), dtype.F32)
	whole, inOne := convert(t, c, src)
	var want Figures
	for cut, order := range map[int][]int{
		tile: {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 1000: {5, 0, 10, 3, 9, 1, 8, 2, 7, 4, 6}, 13: {10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0},
	} {
		dst, tallies := make([]byte, len(whole)), make([]Tally, len(order))
		for _, i := range order {
			for from := i * tile; from < min((i+1)*tile, len(src)/4); from += cut {
				to := min(from+cut, (i+1)*tile, len(src)/4)
				if err := Convert(dst[2*from:2*to], src[4*from:4*to], c, int64(from), &tallies[i]); err != nil {
					t.Fatal(err)
				}
			}
		}
		var sum Tally
		for _, tally := range tallies {
			sum.Add(tally)
		}
		if !bytes.Equal(dst, whole) {
			t.Errorf("in calls of %d: other bytes than in one", cut)
		}
		if got := sum.Figures(); want == (Figures{}) {
			want = got
		} else if got != want {
			t.Errorf("in calls of %d: figures %+v, want %+v to the bit", cut, got, want)
		}
	}
	if got := inOne.Figures(); math.Abs(got.RelL2-want.RelL2) > 1e-15 || got.MaxAbsIndex != want.MaxAbsIndex {
		t.Errorf("as one tile %+v, as many %+v", got, want)
	}
}

func TestLimits(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	const max32 = math.MaxFloat32
	for _, c := range []struct {
		name           string
		s              Scheme
		from           dtype.Type
		value          float64
		nan, inf, over bool
	}{
		{"largest f16", F16, dtype.F32, 65504, false, false, false},
		{"just beyond, still rounds to the largest", F16, dtype.F32, 65505, false, false, true},
		{"rounds to infinity", F16, dtype.F32, -65520, false, false, true},
		{"far beyond", F16, dtype.F32, max32, false, false, true},
		{"bf16 beyond f16", F16, dtype.BF16, 0x1p16, false, false, true},
		{"largest bf16", BF16, dtype.F32, 0x1.fep127, false, false, false},
		{"beyond bf16", BF16, dtype.F32, max32, false, false, true},
		{"largest f32", F32, dtype.F32, max32, false, false, false},
		{"largest f32, wide", F32, dtype.F64, max32, false, false, false},
		{"beyond f32", F32, dtype.F64, -1e39, false, false, true},
		{"whose square overflows", F32, dtype.F64, 1e200, false, false, true},
		{"Inf", F32, dtype.F32, inf, false, true, false},
		{"-Inf to f16", F16, dtype.F32, -inf, false, true, false},
		{"Inf in f64", BF16, dtype.F64, inf, false, true, false},
		{"Inf in f16", F32, dtype.F16, inf, false, true, false},
		{"NaN", F32, dtype.F32, nan, true, false, false},
		{"NaN to bf16", BF16, dtype.F32, nan, true, false, false},
		{"NaN in bf16", F16, dtype.BF16, nan, true, false, false},
		{"NaN in f64", F16, dtype.F64, nan, true, false, false},
	} {
		for _, at := range []int64{0, 8, blockElements, 2500} {
			x := weights(3000)
			x[at] = c.value
			_, tally := convert(t, Cast{From: c.from, To: c.s}, encode(t, x, c.from))
			for kind, o := range map[string]struct {
				got  Occurrence
				want bool
			}{"NaN": {tally.NaN, c.nan}, "Inf": {tally.Inf, c.inf}, "overflow": {tally.Overflow, c.over}} {
				if (o.got.Count == 1) != o.want || o.want && o.got.Index != at {
					t.Errorf("%s at %d: %s seen %d times, first at %d", c.name, at, kind, o.got.Count, o.got.Index)
				}
			}
		}
	}
}

func TestFirstOccurrence(t *testing.T) {
	x := weights(3000)
	x[2000], x[1999], x[2999] = math.NaN(), math.NaN(), math.NaN()
	_, tally := convert(t, Cast{From: dtype.F32, To: F32}, encode(t, x, dtype.F32))
	if tally.NaN.Count != 3 || tally.NaN.Index != 1999 {
		t.Errorf("%d NaN, the first at %d, want 3 and 1999", tally.NaN.Count, tally.NaN.Index)
	}
	var sum Tally
	sum.Add(Tally{})
	sum.Add(tally)
	sum.Add(Tally{NaN: Occurrence{Count: 1, Index: 5000}})
	if sum.NaN.Count != 4 || sum.NaN.Index != 1999 {
		t.Errorf("added: %d NaN, the first at %d, want 4 and 1999", sum.NaN.Count, sum.NaN.Index)
	}
}

func TestUnderflow(t *testing.T) {
	// Half of the smallest subnormal rounds to zero, a little more does not.
	_, tally := convert(t, Cast{From: dtype.F32, To: F16}, encode(t, []float64{0, 0x1p-25, -0x1p-25, 0x1.1p-25, 0x1p-24}, dtype.F32))
	if f := tally.Figures(); f.Underflow != 2 {
		t.Errorf("%d elements lost to underflow, want 2", f.Underflow)
	}
}

// TestLoad rounds as the model's loader does, before storing: in two steps where
// that differs from one, and measured against the source.
func TestLoad(t *testing.T) {
	for _, c := range []struct {
		cast    Cast
		x, want float64
	}{
		{Cast{From: dtype.F32, Load: dtype.BF16, To: F32}, 1.01, 1.0078125},
		{Cast{From: dtype.F32, Load: dtype.F16, To: F32}, 1.0001, 1},
		{Cast{From: dtype.F16, Load: dtype.BF16, To: F16}, 1.001, 1},
		{Cast{From: dtype.BF16, Load: dtype.F16, To: BF16}, 0x1p-30, 0},
		{Cast{From: dtype.F64, Load: dtype.BF16, To: F32}, 1.01, 1.0078125},
		{Cast{From: dtype.F64, Load: dtype.F32, To: F16}, 1 + 0x1p-11 + 0x1p-40, 1}, // straight to F16 it were 1+2⁻¹⁰
		{Cast{From: dtype.F64, Load: dtype.Invalid, To: F16}, 1 + 0x1p-11 + 0x1p-40, 1 + 0x1p-10},
		{Cast{From: dtype.F64, Load: dtype.F64, To: F16}, 1 + 0x1p-11 + 0x1p-40, 1 + 0x1p-10},
		{Cast{From: dtype.F32, Load: dtype.F64, To: F32}, 1.01, float64(float32(1.01))},
	} {
		src := encode(t, []float64{c.x}, c.cast.From)
		dst, tally := convert(t, c.cast, src)
		got := decode(t, dst, c.cast.To.Type)[0]
		lost := math.Abs(got - decode(t, src, c.cast.From)[0])
		if got != c.want || tally.Figures().MaxAbs != lost {
			t.Errorf("%+v: %v becomes %v with error %v, want %v with %v", c.cast, c.x, got, tally.Figures().MaxAbs, c.want, lost)
		}
	}
	_, tally := convert(t, Cast{From: dtype.F32, Load: dtype.F16, To: F32}, encode(t, []float64{1e5}, dtype.F32))
	if tally.Overflow.Count != 1 {
		t.Errorf("1e5 loaded as f16: %d overflows", tally.Overflow.Count)
	}
}

func TestConvertRefuses(t *testing.T) {
	for name, err := range map[string]error{
		"short source":      Convert(make([]byte, 8), make([]byte, 4), Cast{From: dtype.F32, To: F32}, 0, new(Tally)),
		"half an element":   Convert(make([]byte, 3), make([]byte, 4), Cast{From: dtype.F32, To: F16}, 0, new(Tally)),
		"integers":          Convert(make([]byte, 4), make([]byte, 4), Cast{From: dtype.I32, To: F32}, 0, new(Tally)),
		"unknown type name": second(ParseScheme("f64")),
		"statistics":        second(Describe(make([]byte, 3), dtype.F16)),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestDescribe(t *testing.T) {
	x := []float64{1, -2, 0, math.Inf(-1), math.NaN(), 3}
	for _, from := range []dtype.Type{dtype.F32, dtype.F64, dtype.F16, dtype.BF16} {
		got, err := Describe(encode(t, x, from), from)
		want := Statistics{Elements: 6, NaN: 1, Inf: 1, FirstBad: 3, Zero: 1, Min: -2, Max: 3, Mean: 0.5, RMS: math.Sqrt(3.5)}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v: %v (-want +got)\n%s", from, err, diff)
		}
	}
	empty, err := Describe(nil, dtype.F32)
	if diff := cmp.Diff(Statistics{FirstBad: -1}, empty); err != nil || diff != "" {
		t.Errorf("no elements: %v, %s", err, diff)
	}
}

// TestScan compares the scan of codes with the values, for every F16 and BF16
// code alone among ordinary ones, at every place of a word.
func TestScan(t *testing.T) {
	for _, typ := range []dtype.Type{dtype.F16, dtype.BF16} {
		for code := range 1 << 16 {
			data := make([]byte, 14)
			binary.LittleEndian.PutUint16(data[2*(code%7):], uint16(code))
			x := decode(t, data, typ)[code%7]
			checkScan(t, data, typ, x)
		}
	}
	for _, typ := range []dtype.Type{dtype.F32, dtype.F64} {
		for _, x := range []float64{0, math.Copysign(0, -1), 1, -1, math.MaxFloat32, math.SmallestNonzeroFloat32, math.Inf(1), math.Inf(-1), math.NaN()} {
			for at := range 5 {
				values := make([]float64, 5)
				values[at] = x
				checkScan(t, encode(t, values, typ), typ, x)
			}
		}
	}
}

// TestScanCodes finds the code −128 at every place of a word and of the rest.
func TestScanCodes(t *testing.T) {
	for code := range 256 {
		for at := range 21 {
			data := make([]byte, 21)
			data[at] = byte(code)
			sound, zero, err := Scan(data, dtype.I8)
			if err != nil || sound != (code != 0x80) || zero != (code == 0) {
				t.Fatalf("code %d at %d: sound %v, zero %v, %v", int8(code), at, sound, zero, err)
			}
		}
	}
}

func checkScan(t *testing.T, data []byte, typ dtype.Type, x float64) {
	t.Helper()
	finite, zero, err := Scan(data, typ)
	if wantFinite := x-x == 0; err != nil || finite != wantFinite || zero != (x == 0) {
		t.Fatalf("%v among zeros of %v: finite %v, zero %v, %v", x, typ, finite, zero, err)
	}
}

func BenchmarkConvert(b *testing.B) {
	const n = 1 << 20
	src := encode(b, weights(n), dtype.F32)
	for _, s := range floats {
		dst := make([]byte, n*s.Type.Size())
		b.Run(s.String(), func(b *testing.B) {
			b.SetBytes(int64(len(src)))
			for b.Loop() {
				if err := Convert(dst, src, Cast{From: dtype.F32, To: s}, 0, new(Tally)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkScan(b *testing.B) {
	data := encode(b, weights(1<<20), dtype.BF16)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		Scan(data, dtype.BF16)
	}
}
