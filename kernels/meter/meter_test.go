package meter

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/kernels/device"
	"colakit/kernels/device/devicetest"
	"colakit/kernels/emulated"
)

func opened(t *testing.T, memory int64) device.Device {
	t.Helper()
	d, err := emulated.Open(emulated.Options{Memory: memory})
	if errors.Is(err, device.ErrUnavailable) {
		t.Skip("not run: ", err)
	}
	devicetest.Must(t, err)
	m := New(d)
	t.Cleanup(func() { devicetest.Must(t, m.Close()) })
	return m
}

// TestConformance: a measured device is a device like any other, timed or not.
func TestConformance(t *testing.T) {
	for _, timing := range []bool{false, true} {
		devicetest.Conformance(t, func(t *testing.T, memory int64) device.Device {
			d := opened(t, memory)
			d.(*Device).TimeKernels(timing)
			return d
		})
	}
}

func TestMemory(t *testing.T) {
	d := opened(t, 0).(*Device)
	a, b := devicetest.Alloc(t, d, 1000), devicetest.Alloc(t, d, 500)
	devicetest.Must(t, d.Free(a))
	devicetest.Alloc(t, d, 100)
	if live, peak := d.Memory(); live != 600 || peak != 1500 {
		t.Errorf("%d bytes live, %d at most", live, peak)
	}
	if err := errors.Join(d.Free(b), d.Free(b)); err == nil {
		t.Error("freed twice")
	}
	if live, _ := d.Memory(); live != 100 {
		t.Errorf("%d bytes live", live)
	}
}

// TestKernels counts launches while timing is on, those of graphs by kernel, too,
// with the results of untimed ones.
func TestKernels(t *testing.T) {
	d := opened(t, 0).(*Device)
	x, y := devicetest.Put(t, d, []float32{1}), devicetest.Put(t, d, []float32{0})
	one := device.Launch{Grid: device.D(1), Block: device.D(32)}
	add := func() error { return d.Launch("probe_axpy", one, y, x, float32(1), int32(1)) }
	graph, err := d.Capture(func() error { return errors.Join(add(), add(), d.Zero(x, 0, 4)) })
	devicetest.Must(t, err)
	devicetest.Must(t, add())
	d.TimeKernels(true)
	devicetest.Must(t, errors.Join(add(), graph.Launch()))
	d.TimeKernels(false)
	devicetest.Must(t, errors.Join(graph.Launch(), d.Synchronize()))
	if got := devicetest.Get[float32](t, d, y); got[0] != 4 { // x is 0 in the second replay
		t.Errorf("sum %v", got)
	}
	launches := map[string]int{}
	for _, k := range d.Kernels() {
		launches[k.Name] = k.Launches
		if k.Total <= 0 {
			t.Errorf("%s took %v", k.Name, k.Total)
		}
	}
	if diff := cmp.Diff(map[string]int{"probe_axpy": 3, "zero": 1}, launches); diff != "" {
		t.Error(diff)
	}
}

// TestCalls counts calls, and those of graphs as one.
func TestCalls(t *testing.T) {
	d := opened(t, 0).(*Device)
	x := devicetest.Put(t, d, []float32{1})
	one := device.Launch{Grid: device.D(1), Block: device.D(32)}
	add := func() error { return d.Launch("probe_axpy", one, x, x, float32(1), int32(1)) }
	graph, err := d.Capture(func() error { return errors.Join(add(), d.Zero(x, 0, 4)) })
	devicetest.Must(t, err)
	before := d.Calls()
	devicetest.Must(t, errors.Join(add(), graph.Launch(), graph.Launch(), d.Copy(x, 0, devicetest.Put(t, d, []float32{2}), 0, 4)))
	devicetest.Get[float32](t, d, x)
	devicetest.Must(t, d.Synchronize())
	if diff := cmp.Diff(Calls{Waits: 2, Uploads: 1, Graphs: 2, Kernels: 2}, d.Calls().Minus(before)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(d.Calls(), d.Calls().Minus(before).Plus(before)); diff != "" {
		t.Error(diff)
	}
}

func TestCopyBandwidth(t *testing.T) {
	d := opened(t, 8<<20)
	got, err := CopyBandwidth(d)
	devicetest.Must(t, err)
	if live, peak := d.(*Device).Memory(); got < 1e6 || live != 0 || peak > 1<<20 {
		t.Errorf("%g bytes/s, %d bytes live, %d at most", got, live, peak)
	}
	if _, err := CopyBandwidth(opened(t, 5000)); !errors.Is(err, device.ErrMemory) {
		t.Errorf("error %v", err)
	}
}
