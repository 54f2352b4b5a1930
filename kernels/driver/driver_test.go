//go:build cuda && cgo

package driver

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"colakit/kernels/device"
	"colakit/kernels/device/devicetest"
	"colakit/kernels/ptx"
)

// These tests run against the fake driver (FAKECUDA=1, set by scripts/cuda-env.sh)
// or against a GPU; what only the fake one can show is left out there.

func fake(t testing.TB) {
	t.Helper()
	if os.Getenv("FAKECUDA") == "" {
		t.Skip("not run: needs the fake driver")
	}
}

// opened returns a device that the test's end closes, and expects nothing left over.
func opened(t *testing.T, o Options) *Device {
	t.Helper()
	report := filepath.Join(t.TempDir(), "report")
	t.Setenv("FAKECUDA_REPORT", report)
	d, err := Open(o)
	if errors.Is(err, device.ErrUnavailable) && os.Getenv("FAKECUDA") == "" {
		t.Skipf("not run: %v", err)
	}
	devicetest.Must(t, err)
	t.Cleanup(func() {
		devicetest.Must(t, d.Close())
		if os.Getenv("FAKECUDA") != "" {
			nothingLeft(t, report)
		}
	})
	return d.(*Device)
}

func nothingLeft(t *testing.T, report string) {
	t.Helper()
	raw, err := os.ReadFile(report)
	devicetest.Must(t, err)
	if want := "0 bytes, 0 pinned bytes, 0 streams, 0 events, 0 modules, 0 graphs\n"; string(raw) != want {
		t.Errorf("left over: %s", raw)
	}
}

func TestConformance(t *testing.T) {
	devicetest.Conformance(t, func(t *testing.T, memory int64) device.Device { return opened(t, Options{Memory: memory}) })
}

func TestConformanceEager(t *testing.T) {
	fake(t)
	t.Setenv("FAKECUDA_EAGER", "1")
	devicetest.Conformance(t, func(t *testing.T, memory int64) device.Device { return opened(t, Options{Memory: memory}) })
}

// TestCapabilities loads the other PTX on other devices, and none on an old one.
func TestCapabilities(t *testing.T) {
	fake(t)
	for _, capability := range []string{"80", "89", "90", "100", "120"} {
		t.Setenv("FAKECUDA_CC", capability)
		d := opened(t, Options{})
		b := devicetest.Put(t, d, []int32{0})
		devicetest.Must(t, d.Launch("probe_store", device.Launch{Grid: device.D(1), Block: device.D(32)}, b, int64(0), int32(7)))
		if got := devicetest.Get[int32](t, d, b); got[0] != 7 {
			t.Errorf("capability %s: stored %d", capability, got[0])
		}
		devicetest.Must(t, d.Close())
	}
	t.Setenv("FAKECUDA_CC", "75")
	_, err := Open(Options{})
	devicetest.Refused(t, "capability 7.5", err, device.ErrUnavailable)
	contains(t, err, "7.5 is too old: the kernels need 8.0")
}

func contains(t *testing.T, err error, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if err == nil || !strings.Contains(err.Error(), p) {
			t.Errorf("the error %v lacks %q", err, p)
		}
	}
}

func TestNoSuchDevice(t *testing.T) {
	fake(t)
	t.Setenv("FAKECUDA_DEVICES", "1")
	_, err := Open(Options{Index: 1})
	devicetest.Refused(t, "device 1", err, device.ErrUnavailable)
	contains(t, err, "no CUDA device 1: the machine has 1")
}

func TestList(t *testing.T) {
	fake(t)
	t.Setenv("FAKECUDA_DEVICES", "3")
	t.Setenv("FAKECUDA_CC", "75")
	all, err := List()
	devicetest.Must(t, err)
	if len(all) != 3 || all[2].Index != 2 || all[2].Capability != "7.5" || all[2].Driver != "12.9" {
		t.Errorf("%+v", all)
	}
}

// TestNoDriver starts the test binary where the driver is missing or broken.
func TestNoDriver(t *testing.T) {
	if os.Getenv("DRIVER_TEST_OPEN") != "" {
		_, err := Open(Options{})
		devicetest.Refused(t, "Open", err, device.ErrUnavailable)
		t.Log(err)
		return
	}
	fake(t)
	if loaderProblem() != "" {
		t.Fatal(loaderProblem())
	}
	for _, c := range []struct{ variable, text string }{
		{"LD_LIBRARY_PATH=", "there is no CUDA driver on this machine (libcuda.so.1: cannot open shared object file"},
		{"FAKECUDA_INIT=100", "the CUDA driver answers CUDA_ERROR_NO_DEVICE (100) to cuInit"},
	} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestNoDriver$", "-test.v")
		cmd.Env = append(os.Environ(), "DRIVER_TEST_OPEN=1", c.variable)
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), c.text) {
			t.Errorf("%s: %v\n%s", c.variable, err, out)
		}
	}
}

func TestStalePTX(t *testing.T) {
	fake(t)
	info, handle, err := describe(0)
	devicetest.Must(t, err)
	image, err := ptx.Image("9.0")
	devicetest.Must(t, err)
	for _, c := range []struct{ name, image, text string }{
		{"another parameter", strings.Replace(image, ".param .u32 probe_axpy_param_3\n", ".param .u32 probe_axpy_param_3,\n\t.param .u32 probe_axpy_param_4\n", 1), "stale PTX: kernel probe_axpy has other parameters"},
		{"another kernel", strings.ReplaceAll(image, ".entry probe_axpy(", ".entry probe_other("), "stale PTX: kernel probe_other is not among the sources"},
		{"no PTX", "ELF", "the module is no PTX"},
	} {
		if c.image == image {
			t.Fatalf("%s: the test does not know the PTX any more", c.name)
		}
		report := filepath.Join(t.TempDir(), "report")
		t.Setenv("FAKECUDA_REPORT", report)
		_, err := open(Options{}, info, handle, c.image)
		contains(t, err, "CUDA device 0", "the driver refuses the kernels' code", c.text)
		nothingLeft(t, report)
	}
}

// TestDeviceMemory fills the device itself.
// TestOtherKernels loads a file in place of the embedded kernels.
func TestOtherKernels(t *testing.T) {
	fake(t)
	file := filepath.Join(t.TempDir(), "kernels")
	_, err := Open(Options{Kernels: file})
	contains(t, err, "in place of the embedded ones", file, "no such file")

	devicetest.Must(t, os.WriteFile(file, []byte("\x7fELF\x00"), 0o600))
	_, err = Open(Options{Kernels: file})
	contains(t, err, "CUDA device 0", "with the kernels of "+file, "the driver refuses the kernels' code")

	image, err := ptx.Image("8.0")
	devicetest.Must(t, err)
	devicetest.Must(t, os.WriteFile(file, []byte(image), 0o600))
	d := opened(t, Options{Kernels: file})
	b := devicetest.Put(t, d, []int32{0})
	devicetest.Must(t, d.Launch("probe_store", device.Launch{Grid: device.D(1), Block: device.D(32)}, b, int64(0), int32(7)))
	if got := devicetest.Get[int32](t, d, b); got[0] != 7 {
		t.Errorf("stored %d", got[0])
	}
}

func TestDeviceMemory(t *testing.T) {
	fake(t)
	t.Setenv("FAKECUDA_MEMORY", "1000000")
	d := opened(t, Options{})
	devicetest.Alloc(t, d, 600000)
	_, err := d.Alloc(600000)
	devicetest.Refused(t, "the second buffer", err, device.ErrMemory)
	contains(t, err, "CUDA device 0", "600000 bytes wanted, 400000 free")
	devicetest.Alloc(t, d, 400000)
}

// TestFaultNamesKernels faults between other kernels: without Check all since the last wait are named, with it one.
func TestFaultNamesKernels(t *testing.T) {
	fake(t)
	one := device.Launch{Grid: device.D(1), Block: device.D(32)}
	for _, check := range []bool{false, true} {
		d := opened(t, Options{Check: check})
		x, y := devicetest.Put(t, d, []float32{1}), devicetest.Put(t, d, []float32{1})
		devicetest.Must(t, d.Launch("probe_axpy", one, y, x, float32(1), int32(1)))
		err := d.Launch("probe_store", one, x, int64(1), int32(1))
		if check {
			contains(t, err, "kernel probe_store: ", "CUDA_ERROR_ILLEGAL_ADDRESS (700)", "[grid (1,1,1)")
		} else {
			devicetest.Must(t, err)
			contains(t, d.Synchronize(), "one of the kernels probe_axpy, probe_store: ", "CUDA_ERROR_ILLEGAL_ADDRESS (700)")
		}
		devicetest.Must(t, d.Close())
	}
}

// TestFaultInGraph names the graph's kernels.
func TestFaultInGraph(t *testing.T) {
	fake(t)
	d := opened(t, Options{})
	b := devicetest.Put(t, d, []int32{1})
	g, err := d.Capture(func() error {
		return d.Launch("probe_store", device.Launch{Grid: device.D(1), Block: device.D(32)}, b, int64(1), int32(1))
	})
	devicetest.Must(t, err)
	devicetest.Must(t, d.Synchronize())
	devicetest.Must(t, g.Launch())
	_, err = device.Get[int32](d, b)
	devicetest.Refused(t, "Download", err, device.ErrLost)
	contains(t, err, "kernel probe_store")
}

// TestAfterFault opens the device again.
func TestAfterFault(t *testing.T) {
	fake(t)
	lost := opened(t, Options{Check: true})
	b := devicetest.Put(t, lost, []int32{1})
	one := device.Launch{Grid: device.D(1), Block: device.D(32)}
	devicetest.Refused(t, "a fault", lost.Launch("probe_store", one, b, int64(1), int32(1)), device.ErrLost)
	devicetest.Must(t, lost.Close())
	again := opened(t, Options{})
	c := devicetest.Put(t, again, []int32{1})
	devicetest.Must(t, again.Launch("probe_store", one, c, int64(0), int32(5)))
	if got := devicetest.Get[int32](t, again, c); got[0] != 5 {
		t.Errorf("stored %d", got[0])
	}
}

// TestLargeCopies are longer than a piece of the staging memory, and not a multiple of it.
func TestLargeCopies(t *testing.T) {
	d := opened(t, Options{})
	values := make([]uint32, 3*stagingBytes/4+777)
	for i := range values {
		values[i] = uint32(i) * 2654435761
	}
	b := devicetest.Put(t, d, values)
	values[0]++ // the copy is on its way
	values[len(values)-1]++
	got := devicetest.Get[uint32](t, d, b)
	for i := range got {
		if got[i] != uint32(i)*2654435761 {
			t.Fatalf("element %d is %d", i, got[i])
		}
	}
}

// TestTwoDevices uses two at a time.
func TestTwoDevices(t *testing.T) {
	fake(t)
	a, b := opened(t, Options{Index: 0}), opened(t, Options{Index: 1})
	one := device.Launch{Grid: device.D(1), Block: device.D(32)}
	x, y := devicetest.Put(t, a, []int32{0}), devicetest.Put(t, b, []int32{0})
	devicetest.Must(t, a.Launch("probe_store", one, x, int64(0), int32(1)))
	devicetest.Must(t, b.Launch("probe_store", one, y, int64(0), int32(2)))
	if p, q := devicetest.Get[int32](t, a, x), devicetest.Get[int32](t, b, y); p[0] != 1 || q[0] != 2 {
		t.Errorf("stored %d and %d", p[0], q[0])
	}
}
