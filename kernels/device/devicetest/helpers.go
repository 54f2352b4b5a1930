package devicetest

import (
	"errors"
	"math/rand/v2"
	"testing"

	"colakit/kernels/device"
)

// Recorder is a device that counts the launches of each kernel.
type Recorder struct {
	device.Device
	Launched map[string]int
}

// Launch counts the launches that succeed.
func (r Recorder) Launch(kernel string, l device.Launch, args ...any) error {
	err := r.Device.Launch(kernel, l, args...)
	if err == nil {
		r.Launched[kernel]++
	}
	return err
}

// Must ends the test on an error.
func Must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Refused expects an error of a kind.
func Refused(t testing.TB, what string, err, kind error) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("%s: the error is %v, wanted one of the kind %q", what, err, kind)
	}
}

// Put returns a buffer with the values; the test's end frees it.
func Put[T device.Number](t testing.TB, d device.Device, values []T) device.Buffer {
	t.Helper()
	b, err := device.Put(d, values)
	Must(t, err)
	t.Cleanup(func() { d.Free(b) })
	return b
}

// Alloc returns a buffer without contents; the test's end frees it.
func Alloc(t testing.TB, d device.Device, bytes int64) device.Buffer {
	t.Helper()
	b, err := d.Alloc(bytes)
	Must(t, err)
	t.Cleanup(func() { d.Free(b) })
	return b
}

// Get returns the contents of a buffer.
func Get[T device.Number](t testing.TB, d device.Device, b device.Buffer) []T {
	t.Helper()
	v, err := device.Get[T](d, b)
	Must(t, err)
	return v
}

// Random returns n normally distributed values, the same for the same seed.
func Random(n int, seed uint64) []float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	return v
}
