//go:build cgo && linux && (amd64 || arm64)

package emulated

// #include "bridge.h"
import "C"

import (
	"colakit/kernels/cuda"
	"colakit/kernels/device"
)

// lost is the answer of a device after a fault.
type lost struct{ text string }

func (l lost) Error() string { return l.text }
func (l lost) Unwrap() error { return device.ErrLost }

// Launch runs a kernel to its end, or records it.
func (d *Device) Launch(kernel string, l device.Launch, args ...any) error {
	if err := d.usable(); err != nil {
		return err
	}
	k, err := cuda.Find(d.kernels, kernel)
	if err != nil {
		return device.Argumentf("%v", err)
	}
	slots, err := device.Pack(k, l, sharedPerBlock, args)
	if err != nil {
		return err
	}
	return d.do(func() error { return d.run(kernel, l, slots) })
}

func (d *Device) run(kernel string, l device.Launch, slots []uint64) error {
	launch := C.emulated_launch_t{
		order: C.int(d.options.Order), seed: C.uint64_t(d.options.Seed), workers: C.int(d.options.Workers),
		grid: dims(l.Grid), block: dims(l.Block), shared: C.size_t(l.Shared),
	}
	var r C.emulated_result_t
	C.emulated_launch(d.name(kernel), &launch, (*C.uint64_t)(&slots[0]), &r)
	if r.code == 0 {
		return nil
	}
	err := &device.LaunchError{
		Kernels: []string{kernel}, Shape: l, Reason: C.GoString(&r.message[0]), Kind: device.ErrLost,
		Located: r.located != 0, Block: undims(r.block), Thread: undims(r.thread),
	}
	if r.code == 1 {
		err.Kind = device.ErrArgument
		return err
	}
	d.lost = err
	return err
}

func (d *Device) name(kernel string) *C.char {
	if d.names[kernel] == nil {
		d.names[kernel] = C.CString(kernel)
	}
	return d.names[kernel]
}

func dims(d device.Dim3) [3]C.uint { return [3]C.uint{C.uint(d.X), C.uint(d.Y), C.uint(d.Z)} }

func undims(d [3]C.uint) device.Dim3 {
	return device.Dim3{X: uint32(d[0]), Y: uint32(d[1]), Z: uint32(d[2])}
}

// do runs a piece of work, or records it.
func (d *Device) do(work func() error) error {
	if d.recording != nil {
		d.recording.work = append(d.recording.work, work)
		return nil
	}
	return work()
}

// graph is a recorded sequence of pieces of work.
type graph struct {
	device *Device
	work   []func() error
}

// Capture records what record enqueues.
func (d *Device) Capture(record func() error) (device.Graph, error) {
	if err := d.idle("Capture"); err != nil {
		return nil, err
	}
	g := &graph{device: d}
	d.recording = g
	err := record()
	d.recording = nil
	if err != nil {
		return nil, err
	}
	return g, nil
}

// Launch runs the recorded work.
func (g *graph) Launch() error {
	if err := g.device.idle("a graph's Launch"); err != nil {
		return err
	}
	for _, work := range g.work {
		if err := work(); err != nil {
			return err
		}
	}
	return nil
}

// Close forgets the recorded work.
func (g *graph) Close() error {
	g.work = nil
	return nil
}
