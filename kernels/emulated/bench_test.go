//go:build cgo && linux && (amd64 || arm64)

package emulated

import (
	"testing"

	"colakit/kernels/device"
	"colakit/kernels/device/devicetest"
)

// benchmark reports the switches between CUDA threads, too.
func benchmark(b *testing.B, run func() error) {
	before := switches()
	for b.Loop() {
		devicetest.Must(b, run())
	}
	b.ReportMetric(float64(switches()-before)/b.Elapsed().Seconds()/1e6, "Mswitch/s")
}

func BenchmarkBarriers(b *testing.B) {
	d := planted(b, Options{})
	out := devicetest.Alloc(b, d, 64*4)
	benchmark(b, func() error {
		return d.Launch("many_barriers", device.Launch{Grid: device.D(64), Block: device.D(256)}, out, int32(100))
	})
}

func BenchmarkShuffles(b *testing.B) {
	d := planted(b, Options{})
	out := devicetest.Alloc(b, d, 64*256*4)
	benchmark(b, func() error {
		return d.Launch("many_shuffles", device.Launch{Grid: device.D(64), Block: device.D(256)}, out, int32(100))
	})
}

// BenchmarkLaunch is one small block: what a launch costs.
func BenchmarkLaunch(b *testing.B) {
	d := planted(b, Options{})
	out := devicetest.Alloc(b, d, 4)
	benchmark(b, func() error {
		return d.Launch("many_barriers", device.Launch{Grid: device.D(1), Block: device.D(32)}, out, int32(0))
	})
}

// BenchmarkAxpy has no barrier: its threads run as a plain loop on one stack.
func BenchmarkAxpy(b *testing.B) {
	opened, err := Open(Options{})
	devicetest.Must(b, err)
	defer opened.Close()
	const n = 1 << 18
	x, y := devicetest.Put(b, opened, make([]float32, n)), devicetest.Put(b, opened, make([]float32, n))
	b.SetBytes(n * 4)
	benchmark(b, func() error {
		return opened.Launch("probe_axpy", device.Launch{Grid: device.D(n / 256), Block: device.D(256)}, y, x, float32(1), int32(n))
	})
}
