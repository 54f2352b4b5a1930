//go:build unix

package metric

import (
	"context"
	"syscall"
	"testing"
	"time"

	"colakit/formats/dtype"
)

// processorTime is what the process has used so far: on a busy machine it says more
// than the time on the clock.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkCompare counts the bytes of the reference alone; as many are read of
// the candidate.
func BenchmarkCompare(b *testing.B) {
	for _, bb := range []struct {
		name       string
		typ        dtype.Type
		rel, share float64
	}{
		{"f32, the same", dtype.F32, 0, 0},
		{"f32, noise of float32 in all", dtype.F32, 3e-7, 1},
		{"bf16, the same", dtype.BF16, 0, 0},
		{"bf16, 1 in 100 the other way", dtype.BF16, 0x1p-7, 0.01},
		{"bf16, half of them off", dtype.BF16, 0x1p-6, 0.5},
	} {
		got, want := noisy(b, bb.typ, bb.rel, bb.share)
		b.Run(bb.name, func(b *testing.B) {
			b.SetBytes(int64(len(want.Data)))
			start := processorTime(b)
			for b.Loop() {
				if _, err := Compare(context.Background(), got, want, Options{}); err != nil {
					b.Fatal(err)
				}
			}
			if spent := processorTime(b) - start; spent > 0 {
				b.ReportMetric(float64(b.N)*float64(len(want.Data))/1e6/spent.Seconds(), "MB/core-s")
			}
		})
	}
}
