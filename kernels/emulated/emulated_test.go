//go:build cgo && linux && (amd64 || arm64)

package emulated

import (
	"embed"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"colakit/kernels/cuda"
	"colakit/kernels/device"
	"colakit/kernels/device/devicetest"
)

//go:embed plants.cu
var plantSource embed.FS

func TestConformance(t *testing.T) {
	devicetest.Conformance(t, func(t *testing.T, memory int64) device.Device {
		d, err := Open(Options{Memory: memory})
		devicetest.Must(t, err)
		t.Cleanup(func() { d.Close() })
		return d
	})
}

// planted returns a device with the wrong kernels.
func planted(t testing.TB, o Options) *Device {
	t.Helper()
	plants, err := cuda.Parse(plantSource)
	devicetest.Must(t, err)
	d := open(o, plants)
	t.Cleanup(func() { d.Close() })
	return d
}

func fault(t *testing.T, err error, parts ...string) {
	t.Helper()
	devicetest.Refused(t, parts[0], err, device.ErrLost)
	for _, p := range parts {
		if err != nil && !strings.Contains(err.Error(), p) {
			t.Errorf("%q lacks %q", err, p)
		}
	}
}

// TestTable compares the parameters that g++ sees with those parsed from the text.
func TestTable(t *testing.T) {
	kernels, err := cuda.Kernels()
	devicetest.Must(t, err)
	plants, err := cuda.Parse(plantSource)
	devicetest.Must(t, err)
	for _, k := range append(slices.Clone(kernels), plants...) {
		if got, want := parameters(k.Name), declared(k); got != want {
			t.Errorf("%s: compiled %q, parsed %q", k.Name, got, want)
		}
	}
}

func declared(k cuda.Kernel) string {
	var all []string
	for _, p := range k.Parameters {
		letter := "i"
		switch p.Kind {
		case cuda.Pointer:
			letter = "p"
		case cuda.Float32:
			letter = "f"
		}
		all = append(all, letter+string(rune('0'+p.Kind.Size())))
	}
	return strings.Join(all, " ")
}

func TestDeadlock(t *testing.T) {
	d := planted(t, Options{})
	err := d.Launch("bad_barrier", device.Launch{Grid: device.D(1), Block: device.D(128)}, devicetest.Alloc(t, d, 512))
	fault(t, err, "deadlock", "100 threads, first (0,0,0), wait for a barrier at plants.cu:", "20 threads, first (100,0,0), wait for __shfl_xor_sync", "8 of 128 threads have ended", "kernel bad_barrier")
	after := planted(t, Options{}) // the runtime itself is as before
	devicetest.Must(t, after.Launch("many_barriers", device.Launch{Grid: device.D(1), Block: device.D(128)}, devicetest.Alloc(t, after, 4), int32(3)))
}

func TestOutOfRange(t *testing.T) {
	if sanitizer() == "address" {
		t.Skip("not run: AddressSanitizer reports these in its own way")
	}
	for _, c := range []struct {
		kernel string
		bytes  int64
		shared int
		at     int32
		parts  []string
	}{
		{"bad_index", 4096, 0, 1024, []string{"0 bytes past the end of a buffer of 4096 bytes", "thread (5,0,0) of block (0,0,0)", "kernel bad_index"}},
		{"bad_index", 4096, 0, 1040, []string{"64 bytes past the end"}},
		{"bad_index", 4096, 0, -1, []string{"4 bytes before a buffer of 4096 bytes"}},
		{"bad_index", 12, 0, -1, []string{"a write 1 bytes before a buffer of 12 bytes"}},
		{"bad_index", 12, 0, 3, []string{"a write 0 bytes past the end of a buffer of 12 bytes"}},
		{"bad_index", 12, 0, 4, []string{"4 bytes past the end of a buffer of 12 bytes"}},
		{"bad_index", 0, 0, 2, []string{"near the null pointer"}},
		{"bad_dynamic", 128, 100, 26, []string{"a write 4 bytes past the end of dynamic shared memory"}},
		{"bad_dynamic", 128, 100, 32, []string{"128 bytes from the start of 100 bytes of dynamic shared memory"}},
		{"bad_stack", 128, 0, 3, []string{"stack overflow"}},
	} {
		d := planted(t, Options{})
		var b device.Buffer
		if c.bytes > 0 {
			b = devicetest.Alloc(t, d, c.bytes)
		}
		err := d.Launch(c.kernel, device.Launch{Grid: device.D(1), Block: device.D(32), Shared: c.shared}, b, c.at)
		fault(t, err, c.parts...)
		if again := d.Launch(c.kernel, device.Launch{Grid: device.D(1), Block: device.D(32)}, b, int32(0)); !errors.Is(again, device.ErrLost) {
			t.Errorf("after a fault: %v", again)
		}
	}
}

// TestMisuse expects the place of a mistake in the error.
func TestMisuse(t *testing.T) {
	for _, c := range []struct {
		kernel string
		block  int
		parts  []string
	}{
		{"bad_barrier_place", 64, []string{"a barrier is reached at plants.cu:", "and at plants.cu:"}},
		{"bad_mask", 32, []string{"__shfl_sync at plants.cu:", "lane 16 is not in its own mask 0000ffff", "thread (16,0,0)"}},
		{"bad_copy", 32, []string{"cp.async at plants.cu:", "not 16-byte aligned"}},
		{"bad_trap", 32, []string{"__trap at plants.cu:", "thread (4,0,0)"}},
	} {
		d := planted(t, Options{})
		err := d.Launch(c.kernel, device.Launch{Grid: device.D(1), Block: device.D(c.block), Shared: 64}, devicetest.Alloc(t, d, 256))
		fault(t, err, append(c.parts, "kernel "+c.kernel)...)
	}
}

// TestPlanted runs the wrong kernel that EMULATED_PLANT names, for scripts/sanitize.sh.
func TestPlanted(t *testing.T) {
	plant := os.Getenv("EMULATED_PLANT")
	if plant == "" {
		t.Skip("not run: EMULATED_PLANT names no kernel")
	}
	d := planted(t, Options{Workers: 4})
	b, small := devicetest.Alloc(t, d, 4096), devicetest.Alloc(t, d, 33*4)
	k, err := cuda.Find(d.kernels, plant)
	devicetest.Must(t, err)
	args := []any{b}
	if len(k.Parameters) == 2 {
		args = []any{small, int32(34)}
	}
	if plant == "bad_align" {
		args = []any{b, devicetest.Alloc(t, d, 64)}
	}
	err = d.Launch(plant, device.Launch{Grid: device.D(4), Block: device.D(32)}, args...)
	t.Log("the launch returned: ", err)
	if err == nil && devicetest.Get[float32](t, d, b)[0] > 0 { // a decision, for valgrind
		t.Log("the first value is positive")
	}
}

// TestFirstFault expects the error of the first failing block, whatever the number of OS threads.
func TestFirstFault(t *testing.T) {
	if sanitizer() == "address" {
		t.Skip("not run: AddressSanitizer reports these in its own way")
	}
	for range 20 {
		d := planted(t, Options{Workers: 4})
		b := devicetest.Alloc(t, d, 4096)
		err := d.Launch("bad_from", device.Launch{Grid: device.D(64), Block: device.D(32)}, b, int32(17))
		fault(t, err, "block (17,0,0)")
	}
}

// TestUninitialised expects NaN in shared memory that nobody wrote.
func TestUninitialised(t *testing.T) {
	if sanitizer() == "valgrind" {
		t.Skip("not run: valgrind reports it in its own way")
	}
	d := planted(t, Options{})
	b := devicetest.Alloc(t, d, 3*64*4)
	devicetest.Must(t, d.Launch("bad_uninitialised", device.Launch{Grid: device.D(3), Block: device.D(64)}, b))
	for i, v := range devicetest.Get[float32](t, d, b) {
		if (v == v) != (i%64 == 3) {
			t.Fatalf("element %d is %g", i, v)
		}
	}
}

// TestMissingBarrier expects that a missing barrier shows under one of the orders.
func TestMissingBarrier(t *testing.T) {
	if sanitizer() == "thread" {
		t.Skip("not run: a race on purpose")
	}
	const n = 64
	a, b := devicetest.Random(n*n, 1), devicetest.Random(n*n, 2)
	results := map[float32]bool{}
	for _, o := range Orders() {
		d := planted(t, o)
		da, db, dc := devicetest.Put(t, d, a), devicetest.Put(t, d, b), devicetest.Alloc(t, d, n*n*4)
		devicetest.Must(t, d.Launch("bad_race", device.Launch{Grid: device.D(n/16, n/16), Block: device.D(16, 16), Shared: 2 * 16 * 17 * 4}, dc, da, db, int32(n), int32(n), int32(n)))
		results[devicetest.Get[float32](t, d, dc)[0]] = true
	}
	if len(results) == 1 {
		t.Error("four orders of threads gave one result")
	}
}

// TestWorkers expects the same bits for any number of OS threads and any order.
func TestWorkers(t *testing.T) {
	const n = 5000
	x := devicetest.Random(n, 3)
	results := map[float32]bool{}
	for workers := 1; workers <= 5; workers++ {
		for _, o := range Orders() {
			o.Workers = workers
			d, err := Open(o)
			devicetest.Must(t, err)
			out, part, count, dx := devicetest.Alloc(t, d, 4), devicetest.Alloc(t, d, 4*7), devicetest.Put(t, d, []uint32{0}), devicetest.Put(t, d, x)
			devicetest.Must(t, d.Launch("probe_sum", device.Launch{Grid: device.D(7), Block: device.D(256)}, out, part, count, dx, int32(n)))
			results[devicetest.Get[float32](t, d, out)[0]] = true
			devicetest.Must(t, d.Close())
		}
	}
	if len(results) != 1 {
		t.Errorf("%d different sums", len(results))
	}
}
