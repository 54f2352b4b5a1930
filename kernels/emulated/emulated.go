//go:build cgo && linux && (amd64 || arm64)

package emulated

/*
#cgo CXXFLAGS: -std=c++17 -g1 -I${SRCDIR}/../cuda -I${SRCDIR} -fstack-clash-protection -Wall -Wno-unused-function -Wno-unknown-pragmas
#cgo LDFLAGS: -lpthread -ldl
#include <stdlib.h>
#include "bridge.h"
*/
import "C"

import (
	"errors"
	"os"
	"runtime"
	"time"
	"unsafe"

	"colakit/kernels/cuda"
	"colakit/kernels/device"
)

const (
	sharedPerBlock = 232448 // kMaxDynamicShared of block.h
	pageSize       = 4096   // kPage of memory.h
)

// Device is an emulated device.
type Device struct {
	options   Options
	kernels   []cuda.Kernel
	names     map[string]*C.char
	ledger    device.Ledger
	lost      error // of the fault that ended it
	recording *graph
	closed    bool
}

// Open returns an emulated device.
func Open(o Options) (device.Device, error) {
	if found := os.Getpagesize(); found != pageSize {
		return nil, device.Unavailablef("the emulated device guards memory by pages of %d bytes; those of this system have %d", pageSize, found)
	}
	kernels, err := cuda.Kernels()
	if err != nil {
		return nil, err
	}
	return open(o, kernels), nil
}

func open(o Options, kernels []cuda.Kernel) *Device {
	if o.Memory <= 0 {
		o.Memory = defaultMemory
	}
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	return &Device{options: o, kernels: kernels, names: map[string]*C.char{}, ledger: device.Ledger{Device: "emulated device", Limit: o.Memory}}
}

// Info describes the device.
func (d *Device) Info() device.Info {
	return device.Info{
		Kind: "emulated", Name: "CPU emulation", Capability: "9.0",
		Memory: d.options.Memory, Free: d.options.Memory - d.ledger.Used,
		Processors: d.options.Workers, SharedPerBlock: sharedPerBlock,
	}
}

var errClosed = device.Argumentf("the emulated device is closed")

// idle returns an error unless the device can be used outside a capture.
func (d *Device) idle(what string) error {
	if d.recording != nil {
		return device.Argumentf("%s inside Capture", what)
	}
	return d.usable()
}

func (d *Device) usable() error {
	if d.closed {
		return errClosed
	}
	return d.lost
}

// Alloc returns a buffer of NaNs that ends at an unreadable page.
func (d *Device) Alloc(bytes int64) (device.Buffer, error) {
	if err := d.idle("Alloc"); err != nil {
		return device.Buffer{}, err
	}
	if err := d.ledger.Reserve(bytes); err != nil {
		return device.Buffer{}, err
	}
	p := device.Pointer(C.emulated_allocate(C.size_t(bytes)))
	if p == 0 {
		return device.Buffer{}, &device.MemoryError{Wanted: bytes, Device: "emulated device (the host refused)"}
	}
	b := device.Buffer{Pointer: p, Bytes: bytes}
	d.ledger.Add(b)
	return b, nil
}

// Free gives a buffer back.
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
	C.emulated_free(C.uintptr_t(b.Pointer))
	return nil
}

// view is a range of a buffer as Go bytes. Nothing of it may outlive the buffer.
func view(b device.Buffer, offset, bytes int64) []byte {
	address := uintptr(b.At(offset))
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&address)), bytes) // memory of C
}

// Upload copies from the host.
func (d *Device) Upload(dst device.Buffer, offset int64, src []byte) error {
	if err := d.idle("Upload"); err != nil {
		return err
	}
	if err := d.ledger.Check("Upload", dst, offset, int64(len(src))); err != nil {
		return err
	}
	copy(view(dst, offset, int64(len(src))), src)
	return nil
}

// Download copies to the host.
func (d *Device) Download(dst []byte, src device.Buffer, offset int64) error {
	if err := d.idle("Download"); err != nil {
		return err
	}
	if err := d.ledger.Check("Download", src, offset, int64(len(dst))); err != nil {
		return err
	}
	copy(dst, view(src, offset, int64(len(dst))))
	return nil
}

// Copy copies on the device.
func (d *Device) Copy(dst device.Buffer, dstOffset int64, src device.Buffer, srcOffset, bytes int64) error {
	if err := d.usable(); err != nil {
		return err
	}
	if err := errors.Join(d.ledger.Check("Copy to", dst, dstOffset, bytes), d.ledger.Check("Copy from", src, srcOffset, bytes)); err != nil {
		return err
	}
	return d.do(func() error {
		C.emulated_copy(C.uintptr_t(dst.At(dstOffset)), C.uintptr_t(src.At(srcOffset)), C.size_t(bytes))
		return nil
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
	return d.do(func() error {
		C.emulated_zero(C.uintptr_t(b.At(offset)), C.size_t(bytes))
		return nil
	})
}

// Synchronize looks for writes outside all buffers; there is nothing to wait for.
func (d *Device) Synchronize() error {
	if err := d.idle("Synchronize"); err != nil {
		return err
	}
	var r C.emulated_result_t
	C.emulated_check(&r)
	if r.code != 0 {
		d.lost = lost{"emulated device: " + C.GoString(&r.message[0])}
	}
	return d.lost
}

// Time returns how long f took.
func (d *Device) Time(f func() error) (time.Duration, error) {
	if err := d.idle("Time"); err != nil {
		return 0, err
	}
	start := time.Now()
	err := f()
	return time.Since(start), err
}

// Close frees all buffers.
func (d *Device) Close() error {
	if d.closed {
		return nil
	}
	d.ledger.Drain(func(b device.Buffer) { C.emulated_free(C.uintptr_t(b.Pointer)) })
	for _, name := range d.names {
		C.free(unsafe.Pointer(name))
	}
	d.names, d.closed = nil, true
	return nil
}
