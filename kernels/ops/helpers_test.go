package ops

import (
	"errors"
	"math"
	"slices"
	"testing"

	"colakit/formats/dtype"
	"colakit/kernels/device"
	"colakit/kernels/device/devicetest"
	"colakit/kernels/emulated"
)

// bench is a device and its operations, for one run of a test's body.
type bench struct {
	testing.TB
	o *Ops
}

func newBench(t testing.TB, options emulated.Options) *bench {
	t.Helper()
	d, err := emulated.Open(options)
	if errors.Is(err, device.ErrUnavailable) {
		t.Skip(err)
	}
	devicetest.Must(t, err)
	o, err := New(devicetest.Recorder{Device: d, Launched: launched}, 0)
	devicetest.Must(t, err)
	t.Cleanup(func() { devicetest.Must(t, o.Close()); devicetest.Must(t, d.Close()) })
	return &bench{t, o}
}

// inEveryOrder returns what run returns, which has to have the same bits for every
// order of the threads. Short runs, under sanitizers, take one: those do not need
// another order to see a race.
func inEveryOrder(t *testing.T, run func(b *bench) []float32) []float32 {
	t.Helper()
	var first []float32
	orders := emulated.Orders()
	if testing.Short() {
		orders = orders[:1]
	}
	for i, options := range orders {
		got := run(newBench(t, options))
		if i == 0 {
			first = got
		}
		if at := differs(first, got); at >= 0 {
			t.Fatalf("element %d of %d is %v with threads in one order, %v in another (%+v)", at, len(got), first[at], got[at], options)
		}
	}
	return first
}

// differs returns the first index at which the bits differ; -1: nowhere.
func differs(a, b []float32) int {
	if len(a) != len(b) {
		return 0
	}
	for i := range a {
		if math.Float32bits(a[i]) != math.Float32bits(b[i]) {
			return i
		}
	}
	return -1
}

var stored = map[Type]dtype.Type{F32: dtype.F32, BF16: dtype.BF16, F16: dtype.F16}

// host is a matrix on the host, as its type holds it. Gaps between rows are NaN.
type host struct {
	typ                Type
	rows, cols, stride int
	values             []float32 // [rows, cols]
}

// number returns a matrix of the values, rounded to the type.
func numbers(t Type, rows, cols, stride int, values []float32) host {
	h := host{t, rows, cols, stride, slices.Clone(values[:rows*cols])}
	for i, v := range h.values {
		h.values[i] = rounded(v, t)
	}
	return h
}

// random returns normally distributed numbers times a factor.
func random(t Type, rows, cols, stride int, factor float32, seed uint64) host {
	values := devicetest.Random(rows*cols, seed)
	for i := range values {
		values[i] *= factor
	}
	return numbers(t, rows, cols, stride, values)
}

// vector returns random numbers around a mean.
func vector(n int, mean, factor float32, seed uint64) []float32 {
	values := devicetest.Random(n, seed)
	for i := range values {
		values[i] = mean + factor*values[i]
	}
	return values
}

func (h host) at(r, c int) float64 { return float64(h.values[r*h.cols+c]) }
func (h host) row(r int) []float32 { return h.values[r*h.cols : (r+1)*h.cols] }
func (h host) slice(from, to int) host {
	h.values, h.rows = h.values[from*h.cols:to*h.cols], to-from
	return h
}
func (h host) bytes() []byte { return encoded(h.typ, h.values) }
func rounded(v float32, t Type) float32 {
	switch t {
	case BF16:
		return dtype.RoundBF16(v)
	case F16:
		return dtype.F16ToFloat32(dtype.Float32ToF16(v))
	}
	return v
}

func encoded(t Type, values []float32) []byte {
	raw := make([]byte, len(values)*t.Size())
	if err := dtype.FromFloat32s(raw, values, stored[t]); err != nil {
		panic(err)
	}
	return raw
}

// put uploads a matrix; its gaps and 48 bytes before it are NaN.
func (b *bench) put(h host) Matrix {
	b.Helper()
	const lead = 48
	size := h.typ.Size()
	raw := slices.Repeat([]byte{0xff}, lead+((h.rows-1)*h.stride+h.cols)*size)
	for r := range h.rows {
		copy(raw[lead+r*h.stride*size:], encoded(h.typ, h.row(r)))
	}
	return Matrix{Buffer: devicetest.Put(b, b.o.device, raw), Offset: lead, Type: h.typ, Rows: h.rows, Cols: h.cols, Stride: h.stride}
}

func (b *bench) vector(values []float32) Vector {
	return Vector{Buffer: devicetest.Put(b, b.o.device, values), Type: F32, N: len(values)}
}

func (b *bench) ints(values []int32) Vector {
	return Vector{Buffer: devicetest.Put(b, b.o.device, values), Type: I32, N: len(values)}
}

// fresh returns a destination of NaNs whose rows have a gap.
func (b *bench) fresh(t Type, rows, cols, stride int) Matrix {
	m := Matrix{Type: t, Rows: rows, Cols: cols, Stride: stride}
	m.Buffer = devicetest.Alloc(b, b.o.device, int64(rows*stride*t.Size()))
	return m
}

// get returns the values [rows, cols] of a matrix and checks that the gaps between
// its rows are as fresh memory is.
func (b *bench) get(m Matrix) []float32 {
	b.Helper()
	raw := devicetest.Get[byte](b, b.o.device, m.Buffer)
	size := m.Type.Size()
	var values []float32
	for r := range m.Rows {
		row := raw[int(m.Offset)+r*m.Stride*size:]
		part := make([]float32, m.Cols)
		devicetest.Must(b, dtype.Float32s(part, row[:m.Cols*size], stored[m.Type]))
		values = append(values, part...)
		for _, g := range row[m.Cols*size : min(m.Stride*size, len(row))] {
			if g != 0xff {
				b.Fatalf("the gap behind row %d was written", r)
			}
		}
	}
	return values
}

func (b *bench) must(err error) {
	b.Helper()
	devicetest.Must(b, err)
}

// unit is the largest relative error of rounding to a type.
func unit(t Type) float64 {
	switch t {
	case BF16:
		return 1.0 / (1 << 8)
	case F16:
		return 1.0 / (1 << 11)
	}
	return 1.0 / (1 << 24)
}

// estimate is a number and a bound of the error with which a kernel may compute it.
type estimate struct{ value, err float64 }

// rounded adds the error of a rounding.
func (e estimate) rounded(t Type) estimate {
	e.err += (math.Abs(e.value)+e.err)*unit(t) + 1e-30
	if t == F16 {
		e.err += 1.0 / (1 << 25) // half of the least subnormal number
	}
	return e
}

func (e estimate) times(f float64) estimate {
	return estimate{e.value * f, e.err * math.Abs(f)}.rounded(F32)
}
func (e estimate) plus(f float64) estimate { return estimate{e.value + f, e.err}.rounded(F32) }

// check compares what a kernel gave with the estimates.
func check(t testing.TB, got []float32, want []estimate) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d results, wanted %d", len(got), len(want))
	}
	for i, w := range want {
		if d := math.Abs(float64(got[i]) - w.value); !(d <= w.err) {
			t.Fatalf("result %d is %v, wanted %v ± %v: the error is %v", i, got[i], w.value, w.err, d)
		}
	}
}

// same compares bits.
func same(t testing.TB, got, want []float32) {
	t.Helper()
	if at := differs(got, want); at >= 0 {
		if len(got) != len(want) {
			t.Fatalf("%d results, wanted %d", len(got), len(want))
		}
		t.Fatalf("result %d is %v, wanted %v", at, got[at], want[at])
	}
}
