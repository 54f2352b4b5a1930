//go:build cuda && cgo

package driver

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"gorgonia.org/cu"

	"colakit/kernels/device"
)

// Device is a CUDA device.
type Device struct {
	options   Options
	info      device.Info
	context   cu.CUContext
	module    *cu.Module
	stream    *cu.Stream
	staging   *staging
	functions map[string]cu.Function
	ledger    device.Ledger

	pending   []string // kernels enqueued since the last wait, without repetition
	recording *graph
	graphs    map[*graph]bool
	lost      error // of the fault that ended it
	closed    bool
}

// on runs f on the calling goroutine's thread with the device's context current.
func (d *Device) on(f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := checked("cuCtxSetCurrent", cu.SetCurrentContext(d.context)); err != nil {
		return d.explain(err)
	}
	return d.explain(f())
}

// fatal are the errors after which a context answers nothing else.
var fatal = []int{214, 220, 700, 702, 708, 709, 710, 714, 715, 716, 717, 718, 719, 999}

// explain makes a driver's error one of package device: a fault gets the names of
// the kernels that can have caused it and is kept.
func (d *Device) explain(err error) error {
	var e driverError
	if !errors.As(err, &e) {
		return err
	}
	switch {
	case slices.Contains(fatal, e.code):
		names := slices.Clone(d.pending)
		if len(names) == 0 {
			names = []string{"(none was launched)"}
		}
		d.lost = &device.LaunchError{Kernels: names, Reason: err.Error(), Kind: device.ErrLost}
		return d.lost
	case e.code == 2:
		return fmt.Errorf("%s: %v: %w", d.ledger.Device, err, device.ErrMemory)
	case e.code == 1 || e.code == 400 || e.code >= 900 && e.code <= 908: // a value, a handle, a capture
		return device.Argumentf("%v", err)
	}
	return err
}

var errClosed = device.Argumentf("the CUDA device is closed")

func (d *Device) usable() error {
	if d.closed {
		return errClosed
	}
	return d.lost
}

// idle returns an error unless the device can be used outside a capture.
func (d *Device) idle(what string) error {
	if d.recording != nil {
		return device.Argumentf("%s inside Capture", what)
	}
	return d.usable()
}

// Info describes the device.
func (d *Device) Info() device.Info {
	info := d.info
	if d.usable() != nil {
		return info
	}
	d.on(func() error {
		free, _, err := cu.MemInfo()
		info.Free = free
		return checked("cuMemGetInfo", err)
	})
	if d.options.Memory > 0 {
		info.Memory = min(info.Memory, d.options.Memory)
		info.Free = min(info.Free, d.options.Memory-d.ledger.Used)
	}
	return info
}

// Alloc returns a buffer.
func (d *Device) Alloc(bytes int64) (device.Buffer, error) {
	if err := d.idle("Alloc"); err != nil {
		return device.Buffer{}, err
	}
	if err := d.ledger.Reserve(bytes); err != nil {
		return device.Buffer{}, err
	}
	var b device.Buffer
	err := d.on(func() error {
		p, err := cu.MemAlloc(bytes)
		if err = checked("cuMemAlloc", err); errors.Is(err, driverError{"cuMemAlloc", 2}) {
			free, _, _ := cu.MemInfo()
			return &device.MemoryError{Wanted: bytes, Free: free, Device: d.ledger.Device}
		}
		b = device.Buffer{Pointer: device.Pointer(p), Bytes: bytes}
		return err
	})
	if err != nil {
		return device.Buffer{}, err
	}
	d.ledger.Add(b)
	return b, nil
}

// Free waits for all work and gives a buffer back.
func (d *Device) Free(b device.Buffer) error {
	if d.recording != nil {
		return device.Argumentf("Free inside Capture")
	}
	if d.closed {
		return errClosed
	}
	if err := d.ledger.Remove(b); err != nil {
		return err
	}
	return d.on(func() error { // cuMemFree is not said to wait for a stream that does not block
		waited := checked("cuStreamSynchronize", d.stream.Synchronize())
		return errors.Join(waited, checked("cuMemFree", cu.MemFree(cu.DevicePtr(b.Pointer))))
	})
}

// Upload copies from the host through pinned memory.
func (d *Device) Upload(dst device.Buffer, offset int64, src []byte) error {
	if err := d.idle("Upload"); err != nil {
		return err
	}
	if err := d.ledger.Check("Upload", dst, offset, int64(len(src))); err != nil {
		return err
	}
	return d.on(func() error { return d.staging.upload(cu.DevicePtr(dst.At(offset)), src, *d.stream) })
}

// Download copies to the host and waits for all work before it.
func (d *Device) Download(dst []byte, src device.Buffer, offset int64) error {
	if err := d.idle("Download"); err != nil {
		return err
	}
	if err := d.ledger.Check("Download", src, offset, int64(len(dst))); err != nil {
		return err
	}
	err := d.on(func() error { return d.staging.download(dst, cu.DevicePtr(src.At(offset)), *d.stream) })
	if err == nil {
		d.pending = d.pending[:0]
	}
	return err
}

// Copy copies on the device.
func (d *Device) Copy(dst device.Buffer, dstOffset int64, src device.Buffer, srcOffset, bytes int64) error {
	if err := d.usable(); err != nil {
		return err
	}
	if err := errors.Join(d.ledger.Check("Copy to", dst, dstOffset, bytes), d.ledger.Check("Copy from", src, srcOffset, bytes)); err != nil {
		return err
	}
	return d.on(func() error {
		return checked("cuMemcpyDtoDAsync", cu.MemcpyDtoDAsync(cu.DevicePtr(dst.At(dstOffset)), cu.DevicePtr(src.At(srcOffset)), bytes, *d.stream))
	})
}

// Zero fills with zeros.
func (d *Device) Zero(b device.Buffer, offset, bytes int64) error {
	if err := d.usable(); err != nil {
		return err
	}
	if err := d.ledger.Check("Zero", b, offset, bytes); err != nil {
		return err
	}
	return d.on(func() error {
		return checked("cuMemsetD8Async", cu.MemsetD8Async(cu.DevicePtr(b.At(offset)), 0, bytes, *d.stream))
	})
}

// Synchronize waits for all work.
func (d *Device) Synchronize() error {
	if err := d.idle("Synchronize"); err != nil {
		return err
	}
	err := d.on(func() error { return checked("cuStreamSynchronize", d.stream.Synchronize()) })
	if err == nil {
		d.pending = d.pending[:0]
	}
	return err
}

// Time returns how long the device took for the work that f enqueues.
func (d *Device) Time(f func() error) (took time.Duration, err error) {
	if err := d.idle("Time"); err != nil {
		return 0, err
	}
	err = d.on(func() error {
		var marks [2]cu.Event
		for i := range marks {
			if marks[i], err = cu.MakeEvent(cu.DefaultEvent); err != nil {
				return checked("cuEventCreate", err)
			}
			defer cu.DestroyEvent(&marks[i])
		}
		err := checked("cuEventRecord", marks[0].Record(*d.stream))
		if err == nil {
			err = f()
		}
		if err == nil {
			err = checked("cuEventRecord", marks[1].Record(*d.stream))
		}
		if err == nil {
			err = checked("cuEventSynchronize", marks[1].Synchronize())
		}
		if err != nil {
			return err
		}
		milliseconds, err := marks[0].Elapsed(marks[1])
		took = time.Duration(milliseconds * float64(time.Millisecond))
		return checked("cuEventElapsedTime", err)
	})
	return took, err
}

// Close frees everything. Errors of a lost device's pieces are not reported: its
// context takes them with it.
func (d *Device) Close() error {
	if d.closed {
		return nil
	}
	wasLost := d.lost != nil
	err := d.on(d.release)
	d.closed = true
	if wasLost || d.lost != nil {
		return nil
	}
	return err
}

func (d *Device) release() error {
	var errs []error
	note := func(call string, err error) { errs = append(errs, checked(call, err)) }
	if d.stream != nil {
		note("cuStreamSynchronize", d.stream.Synchronize())
	}
	for g := range d.graphs {
		errs = append(errs, destroyGraph(g.ready))
	}
	d.ledger.Drain(func(b device.Buffer) { note("cuMemFree", cu.MemFree(cu.DevicePtr(b.Pointer))) })
	if d.staging != nil {
		d.staging.close()
	}
	if d.stream != nil {
		note("cuStreamDestroy", d.stream.Destroy())
	}
	if d.module != nil {
		note("cuModuleUnload", d.module.Unload())
	}
	note("cuCtxDestroy", d.context.Destroy())
	return errors.Join(errs...)
}

// note records that a kernel is under way.
func (d *Device) note(kernels ...string) {
	for _, k := range kernels {
		if !slices.Contains(d.pending, k) {
			d.pending = append(d.pending, k)
		}
	}
}

// names returns "a, b"; for errors about a graph.
func names(kernels []string) string { return strings.Join(kernels, ", ") }
