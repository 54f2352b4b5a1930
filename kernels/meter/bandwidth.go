package meter

import (
	"errors"

	"colakit/kernels/device"
)

// copyBytes is what a bandwidth is measured with, unless the device has little memory.
const copyBytes = 1 << 30

// CopyBandwidth returns the bytes per second that a device reads and writes when it
// copies its own memory, the fastest of some copies of a GiB or a tenth of what is
// free: the ceiling for what a kernel can read, about. The emulated device copies 64 MiB.
func CopyBandwidth(d device.Device) (bytesPerSecond float64, err error) {
	info := d.Info()
	n := int64(copyBytes)
	if info.Kind != "cuda" {
		n = 64 << 20
	}
	if info.Free > 0 {
		n = max(4096, min(n, info.Free/20))
	}
	var buffers [2]device.Buffer
	for i := range buffers {
		if buffers[i], err = d.Alloc(n); err != nil {
			return 0, errors.Join(err, free(d, buffers[:i]))
		}
	}
	best, err := fastestCopy(d, buffers, n)
	return best, errors.Join(err, free(d, buffers[:]))
}

func fastestCopy(d device.Device, buffers [2]device.Buffer, n int64) (best float64, err error) {
	if err := d.Zero(buffers[1], 0, n); err != nil {
		return 0, err
	}
	for range 5 {
		took, err := d.Time(func() error { return d.Copy(buffers[0], 0, buffers[1], 0, n) })
		if err != nil {
			return 0, err
		}
		if seconds := took.Seconds(); seconds > 0 {
			best = max(best, 2*float64(n)/seconds)
		}
	}
	return best, nil
}

func free(d device.Device, buffers []device.Buffer) error {
	var errs []error
	for _, b := range buffers {
		errs = append(errs, d.Free(b))
	}
	return errors.Join(errs...)
}
