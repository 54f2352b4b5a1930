package dtype

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"
)

// halves are the scalar casts of the formats that have kernels.
var halves = map[Type]struct {
	widen func(uint16) float32
	round func(float32) uint16
}{F16: {F16ToFloat32, Float32ToF16}, BF16: {BF16ToFloat32, Float32ToBF16}}

// eachKernel runs test with every kernel in use that this processor can run.
func eachKernel(t *testing.T, test func(t *testing.T)) {
	inUse := fastest
	defer func() { fastest = inUse }()
	for _, k := range kernels() {
		fastest = k
		t.Run(string(k), test)
	}
}

// guarded is room for n elements, surrounded by others that must stay as they are.
type guarded[T byte | float32 | float64] struct {
	whole, room []T
}

const margin = 80 // more than the widest register has elements

func guard[T byte | float32 | float64](n, at int) guarded[T] {
	g := guarded[T]{whole: make([]T, n+at+2*margin)}
	for i := range g.whole {
		g.whole[i] = 0x5a
	}
	g.room = g.whole[margin+at:][:n:n]
	return g
}

func (g guarded[T]) intact(at int) bool {
	for i, v := range g.whole {
		if inside := i >= margin+at && i < margin+at+len(g.room); !inside && v != 0x5a {
			return false
		}
	}
	return true
}

// TestCastsOfEveryLength casts arrays with every tail, that begin at any byte, and
// looks beyond their ends.
func TestCastsOfEveryLength(t *testing.T) {
	eachKernel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(5, 5))
		for typ, f := range halves {
			for n := range 70 {
				for at := range 5 {
					testGuarded(t, r, typ, f.widen, f.round, n, at)
				}
			}
		}
	})
}

func testGuarded(t *testing.T, r *rand.Rand, typ Type, widen func(uint16) float32, round func(float32) uint16, n, at int) {
	t.Helper()
	floats, codes := guard[float32](n, at), guard[byte](2*n, at)
	values := make([]float32, n)
	for i := range values {
		values[i] = math.Float32frombits(r.Uint32())
	}
	copy(floats.room, values)
	check(t, FromFloat32s(codes.room, floats.room, typ))
	for i, v := range values {
		if got := binary.LittleEndian.Uint16(codes.room[2*i:]); got != round(v) {
			t.Fatalf("%v, element %d of %d at %d: %v became %#04x, want %#04x", typ, i, n, at, v, got, round(v))
		}
	}
	check(t, Float32s(floats.room, codes.room, typ))
	for i, v := range values {
		if got, want := floats.room[i], widen(round(v)); math.Float32bits(got) != math.Float32bits(want) {
			t.Fatalf("%v, element %d of %d at %d: code %#04x became %v, want %v", typ, i, n, at, round(v), got, want)
		}
	}
	if !floats.intact(at) || !codes.intact(at) {
		t.Fatalf("%v, %d elements at %d: wrote beyond the end", typ, n, at)
	}
}

// TestFloat64sOfEveryLength is TestCastsOfEveryLength for float64, the codes being
// random.
func TestFloat64sOfEveryLength(t *testing.T) {
	single := func(b []byte) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(b)) }
	widen := map[Type]func([]byte) float32{F32: single}
	for typ, f := range halves {
		widen[typ] = func(b []byte) float32 { return f.widen(binary.LittleEndian.Uint16(b)) }
	}
	eachKernel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(6, 6))
		for typ, f := range widen {
			for n := range 70 {
				size, at := typ.Size(), n%5
				codes, doubles := guard[byte](size*n, at), guard[float64](n, at)
				for i := range codes.room {
					codes.room[i] = byte(r.Uint32())
				}
				check(t, Float64s(doubles.room, codes.room, typ))
				for i, got := range doubles.room {
					if want := float64(f(codes.room[size*i:])); math.Float64bits(got) != math.Float64bits(want) {
						t.Fatalf("%v, element %d of %d: % x became %v, want %v", typ, i, n, codes.room[size*i:size*(i+1)], got, want)
					}
				}
				if !doubles.intact(at) || !codes.intact(at) {
					t.Fatalf("%v, %d elements: wrote beyond the end", typ, n)
				}
			}
		}
	})
}

// TestFloat32sAreStoredInLittleEndian holds the copy of memory to the format.
func TestFloat32sAreStoredInLittleEndian(t *testing.T) {
	signalling := math.Float32frombits(0x7fa12345)
	raw, got := make([]byte, 8), make([]float32, 2)
	check(t, FromFloat32s(raw, []float32{1, signalling}, F32))
	if binary.LittleEndian.Uint64(raw) != 0x7fa12345_3f800000 {
		t.Errorf("stored as % x", raw)
	}
	check(t, Float32s(got, raw, F32))
	if got[0] != 1 || math.Float32bits(got[1]) != 0x7fa12345 {
		t.Errorf("decoded as %#08x, %#08x", math.Float32bits(got[0]), math.Float32bits(got[1]))
	}
}
