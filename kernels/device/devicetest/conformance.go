// Package devicetest holds the test that every implementation of device.Device
// passes, and helpers for tests of kernels.
package devicetest

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"colakit/kernels/cuda"
	"colakit/kernels/device"
)

// Conformance tests an implementation with the probe kernels. open returns a new
// device that can allocate at most memory bytes (0: as many as it has) or skips.
func Conformance(t *testing.T, open func(t *testing.T, memory int64) device.Device) {
	launched := map[string]int{}
	for _, c := range []struct {
		name string
		test func(*testing.T, device.Device)
	}{
		{"memory", testMemory},
		{"axpy", testAxpy},
		{"matmul", testMatmul},
		{"sum", testSum},
		{"mma", testMMA},
		{"graph", testGraph},
		{"arguments", testArguments},
		{"time", testTime},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, Recorder{open(t, 0), launched}) })
	}
	t.Run("every probe", func(t *testing.T) { testEveryProbe(t, launched) })
	t.Run("fault", func(t *testing.T) { testFault(t, open(t, 0)) })
	t.Run("out of memory", func(t *testing.T) { testOutOfMemory(t, open(t, 1<<20)) })
}

// testEveryProbe expects that the tests before it have launched all probes.
func testEveryProbe(t *testing.T, launched map[string]int) {
	kernels, err := cuda.Kernels()
	Must(t, err)
	for _, k := range kernels {
		if k.File == "probe.cu" && launched[k.Name] == 0 {
			t.Errorf("no test launches %s", k.Name)
		}
	}
}

func testMemory(t *testing.T, d device.Device) {
	before := d.Info().Free
	a := Put(t, d, []float32{1, 2, 3, 4})
	b := Put(t, d, []float32{5, 6, 7, 8})
	Must(t, d.Copy(b, 4, a, 8, 8))
	Must(t, d.Zero(b, 12, 4))
	if got := Get[float32](t, d, b); !slices.Equal(got, []float32{5, 3, 4, 0}) {
		t.Errorf("after Copy and Zero: %v", got)
	}
	var part [8]byte
	Must(t, d.Download(part[:], a, 4))
	if math.Float32frombits(uint32(part[7])<<24|uint32(part[6])<<16) != 3 {
		t.Errorf("Download at an offset: %v", part)
	}
	for what, err := range map[string]error{
		"Upload past the end":    d.Upload(a, 12, part[:]),
		"Download past the end":  d.Download(part[:], a, 12),
		"Copy past the end":      d.Copy(b, 0, a, 4, 16),
		"Zero before the start":  d.Zero(b, -4, 4),
		"Alloc of nothing":       second(d.Alloc(0)),
		"Free of what is no one": d.Free(device.Buffer{Pointer: 16, Bytes: 4}),
	} {
		Refused(t, what, err, device.ErrArgument)
	}
	Must(t, d.Free(a))
	Must(t, d.Free(b))
	Refused(t, "Free twice", d.Free(a), device.ErrArgument)
	if after := d.Info().Free; after != before {
		t.Errorf("%d bytes were free, %d are", before, after)
	}
}

func second[T any](_ T, err error) error { return err }

func testAxpy(t *testing.T, d device.Device) {
	const n = 1000
	x, y := Random(n, 1), Random(n, 2)
	dx, dy := Put(t, d, x), Put(t, d, y)
	Must(t, d.Launch("probe_axpy", device.Launch{Grid: device.D(4), Block: device.D(256)}, dy, dx.At(0), float32(3), int32(n)))
	for i, got := range Get[float32](t, d, dy) {
		if want := float32(math.FMA(3, float64(x[i]), float64(y[i]))); got != want {
			t.Fatalf("element %d is %g, not %g", i, got, want)
		}
	}
}

const matmulShared = 2 * 16 * 17 * 4

func testMatmul(t *testing.T, d device.Device) {
	const m, n, k = 32, 48, 64
	a, b := Random(m*k, 1), Random(k*n, 2)
	da, db, dc := Put(t, d, a), Put(t, d, b), Alloc(t, d, m*n*4)
	Must(t, d.Launch("probe_matmul", device.Launch{Grid: device.D(n/16, m/16), Block: device.D(16, 16), Shared: matmulShared}, dc, da, db, int32(m), int32(n), int32(k)))
	got := Get[float32](t, d, dc)
	for i := range got {
		var want float64
		for l := range k {
			want += float64(a[i/n*k+l]) * float64(b[l*n+i%n])
		}
		if !(math.Abs(float64(got[i])-want) < 1e-5) {
			t.Fatalf("element %d is %g, not %g", i, got[i], want)
		}
	}
}

func testSum(t *testing.T, d device.Device) {
	const n, blocks = 10007, 6
	x := Random(n, 1)
	dx, out, part, count := Put(t, d, x), Alloc(t, d, 4), Alloc(t, d, 4*blocks), Put(t, d, []uint32{0})
	var first float32
	for i := range 3 {
		Must(t, d.Launch("probe_sum", device.Launch{Grid: device.D(blocks), Block: device.D(256)}, out, part, count, dx, int32(n)))
		got := Get[float32](t, d, out)[0]
		if i == 0 {
			first = got
		}
		if got != first {
			t.Errorf("the sum was %g and is %g", first, got)
		}
	}
	var want float64
	for _, v := range x {
		want += float64(v)
	}
	if !(math.Abs(float64(first)-want) < 1e-3) {
		t.Errorf("the sum is %g, not %g", first, want)
	}
}

// testMMA multiplies small integers, which all three types represent exactly.
func testMMA(t *testing.T, d device.Device) {
	for number, c := range []struct {
		name string
		size int
		code func(v int) []byte
		get  func(bits uint32) float64
	}{
		{"f16", 2, func(v int) []byte { return half(v) }, asFloat},
		{"bf16", 2, func(v int) []byte { return bfloat(v) }, asFloat},
		{"s8", 1, func(v int) []byte { return []byte{byte(int8(v))} }, func(bits uint32) float64 { return float64(int32(bits)) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := 96 / c.size
			a, w := integers(16*k, 1), integers(8*k, 2)
			dc := Alloc(t, d, 16*8*4)
			da, dw := Put(t, d, encode(a, c.code)), Put(t, d, encode(w, c.code))
			Must(t, d.Launch("probe_mma", device.Launch{Grid: device.D(1), Block: device.D(32), Shared: 24 * 48}, dc, da, dw, int32(k*c.size), int32(number)))
			for i, bits := range Get[uint32](t, d, dc) {
				want := 0
				for l := range k {
					want += a[i/8*k+l] * w[i%8*k+l]
				}
				if got := c.get(bits); got != float64(want) {
					t.Fatalf("element %d is %g, not %d", i, got, want)
				}
			}
		})
	}
}

func testGraph(t *testing.T, d device.Device) {
	x, y, z := Put(t, d, []float32{1, 2}), Put(t, d, []float32{10, 20}), Alloc(t, d, 8)
	record := func() error {
		if err := d.Launch("probe_axpy", device.Launch{Grid: device.D(1), Block: device.D(32)}, y, x, float32(1), int32(2)); err != nil {
			return err
		}
		return d.Copy(z, 0, y, 0, 8)
	}
	g, err := d.Capture(record)
	Must(t, err)
	if got := Get[float32](t, d, y); got[0] != 10 {
		t.Fatalf("Capture ran the kernel: %v", got)
	}
	for range 3 {
		Must(t, g.Launch())
	}
	if got := Get[float32](t, d, z); !slices.Equal(got, []float32{13, 26}) {
		t.Errorf("after three launches: %v", got)
	}
	Must(t, g.Close())
	_, err = d.Capture(func() error { return d.Synchronize() })
	Refused(t, "Synchronize inside Capture", err, device.ErrArgument)
	stop := errors.New("stop")
	if _, err = d.Capture(func() error { return stop }); !errors.Is(err, stop) {
		t.Errorf("Capture returned %v, not the error of its function", err)
	}
	Must(t, d.Synchronize())
}

func testArguments(t *testing.T, d device.Device) {
	b := Alloc(t, d, 128)
	one := device.Launch{Grid: device.D(1), Block: device.D(32)}
	for _, c := range []struct {
		kernel string
		launch device.Launch
		args   []any
		text   string
	}{
		{"nothing", one, nil, `no kernel is named "nothing"`},
		{"probe_store", one, []any{b, int64(0)}, "2 arguments for 3 parameters"},
		{"probe_store", one, []any{b, 0, int32(0)}, "argument 1 (at) is int, the parameter is int64"},
		{"probe_store", one, []any{b, int64(0), nil}, "argument 2 (value) is <nil>"},
		{"probe_store", device.Launch{Grid: device.D(1), Block: device.D(64)}, []any{b, int64(0), int32(0)}, "launch bounds are 32"},
		{"probe_store", device.Launch{Block: device.D(32)}, []any{b, int64(0), int32(0)}, "bad grid size"},
		{"probe_store", device.Launch{Grid: device.D(1)}, []any{b, int64(0), int32(0)}, "bad block size"},
		{"probe_store", device.Launch{Grid: device.D(1), Block: device.D(32), Shared: 1 << 20}, []any{b, int64(0), int32(0)}, "dynamic shared memory"},
	} {
		err := d.Launch(c.kernel, c.launch, c.args...)
		Refused(t, c.text, err, device.ErrArgument)
		if err != nil && (!strings.Contains(err.Error(), c.text) || !strings.Contains(err.Error(), c.kernel)) {
			t.Errorf("%v lacks %q or the kernel's name", err, c.text)
		}
	}
	Must(t, d.Launch("probe_store", one, b, int64(31), int32(7)))
	Must(t, d.Synchronize())
}

func testTime(t *testing.T, d device.Device) {
	b := Alloc(t, d, 128)
	took, err := d.Time(func() error {
		return d.Launch("probe_store", device.Launch{Grid: device.D(1), Block: device.D(32)}, b, int64(0), int32(7))
	})
	Must(t, err)
	if took <= 0 {
		t.Errorf("a launch took %v", took)
	}
}

func testFault(t *testing.T, d device.Device) {
	b := Alloc(t, d, 4096)
	err := d.Launch("probe_store", device.Launch{Grid: device.D(2), Block: device.D(32)}, b, int64(1)<<40, int32(1))
	if err == nil {
		err = d.Synchronize()
	}
	Refused(t, "a store outside", err, device.ErrLost)
	var launch *device.LaunchError
	if !errors.As(err, &launch) || !slices.Contains(launch.Kernels, "probe_store") {
		t.Errorf("%v does not name the kernel", err)
	}
	Refused(t, "a launch after a fault", d.Launch("probe_store", device.Launch{Grid: device.D(1), Block: device.D(32)}, b, int64(0), int32(1)), device.ErrLost)
	Refused(t, "Alloc after a fault", second(d.Alloc(16)), device.ErrLost)
	Must(t, d.Close())
}

func testOutOfMemory(t *testing.T, d device.Device) {
	free := d.Info().Free
	_, err := d.Alloc(free + 4096)
	Refused(t, "more than there is", err, device.ErrMemory)
	Alloc(t, d, 4096)
}

func integers(n int, seed uint64) []int {
	r := rand.New(rand.NewPCG(seed, 0))
	v := make([]int, n)
	for i := range v {
		v[i] = r.IntN(15) - 7
	}
	return v
}

func encode(v []int, code func(int) []byte) []byte {
	var raw []byte
	for _, x := range v {
		raw = append(raw, code(x)...)
	}
	return raw
}

func asFloat(bits uint32) float64 { return float64(math.Float32frombits(bits)) }

func bfloat(v int) []byte {
	u := math.Float32bits(float32(v))
	return []byte{byte(u >> 16), byte(u >> 24)}
}

// half encodes |v| < 8 as float16: the bits of float32 with a shorter exponent.
func half(v int) []byte {
	u := math.Float32bits(float32(v))
	h := uint16(u>>16&0x8000) | uint16(u>>13&0x3ff)
	if v != 0 {
		h |= uint16(u>>23&0xff-127+15) << 10
	}
	return []byte{byte(h), byte(h >> 8)}
}
