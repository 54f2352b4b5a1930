//go:build cuda && cgo

package driver

import (
	"errors"
	"runtime"

	"colakit/kernels/cuda"
	"colakit/kernels/device"
)

// Launch enqueues a kernel, or records it.
func (d *Device) Launch(kernel string, l device.Launch, args ...any) error {
	if err := d.usable(); err != nil {
		return err
	}
	k, err := cuda.Lookup(kernel)
	if err != nil {
		return device.Argumentf("%v", err)
	}
	slots, err := device.Pack(k, l, d.info.SharedPerBlock, args)
	if err != nil {
		return err
	}
	if d.recording != nil {
		d.recording.add(kernel)
	} else {
		d.note(kernel)
	}
	err = launchKernel(d.context, d.functions[kernel], l, *d.stream, slots)
	if err != nil {
		return d.refused(kernel, l, err)
	}
	if d.options.Check && d.recording == nil {
		return d.checkLaunch(kernel, l)
	}
	return nil
}

// refused explains why a launch was not accepted: for its own shape, or for the
// fault of an earlier kernel.
func (d *Device) refused(kernel string, l device.Launch, err error) error {
	explained := d.explain(err)
	if errors.Is(explained, device.ErrLost) {
		return explained
	}
	var e driverError
	if errors.As(err, &e) && (e.code == 1 || e.code == 701) { // a value, or more registers or shared memory than there are
		return &device.LaunchError{Kernels: []string{kernel}, Shape: l, Reason: err.Error(), Kind: device.ErrArgument}
	}
	return &device.LaunchError{Kernels: []string{kernel}, Shape: l, Reason: explained.Error(), Kind: explained}
}

func (d *Device) checkLaunch(kernel string, l device.Launch) error {
	d.pending = append(d.pending[:0], kernel)
	err := d.Synchronize()
	var e *device.LaunchError
	if errors.As(err, &e) {
		e.Shape = l
	}
	return err
}

// graph is recorded work.
type graph struct {
	device  *Device
	ready   executable
	kernels []string
}

func (g *graph) add(kernel string) { g.kernels = append(g.kernels, kernel) }

// Capture records what record enqueues, on one OS thread.
func (d *Device) Capture(record func() error) (device.Graph, error) {
	if err := d.idle("Capture"); err != nil {
		return nil, err
	}
	g := &graph{device: d}
	err := d.on(func() error {
		runtime.LockOSThread() // a capture ends on the thread where it began
		defer runtime.UnlockOSThread()
		if err := beginCapture(*d.stream); err != nil {
			return err
		}
		d.recording = g
		err := record()
		d.recording = nil
		ready, endErr := endCapture(*d.stream)
		if err != nil {
			if endErr == nil {
				destroyGraph(ready)
			}
			return err
		}
		g.ready = ready
		return endErr
	})
	if err != nil {
		return nil, err
	}
	if d.graphs == nil {
		d.graphs = map[*graph]bool{}
	}
	d.graphs[g] = true
	return g, nil
}

// Launch enqueues the recorded work.
func (g *graph) Launch() error {
	d := g.device
	if err := d.idle("a graph's Launch"); err != nil {
		return err
	}
	if !d.graphs[g] {
		return device.Argumentf("the graph of %s is closed", names(g.kernels))
	}
	d.note(g.kernels...)
	if err := d.on(func() error { return launchGraph(g.ready, *d.stream) }); err != nil {
		return err
	}
	if d.options.Check {
		return d.Synchronize()
	}
	return nil
}

// Close gives the recorded work back.
func (g *graph) Close() error {
	d := g.device
	if d.closed || !d.graphs[g] {
		return nil
	}
	delete(d.graphs, g)
	return d.on(func() error { return destroyGraph(g.ready) })
}
