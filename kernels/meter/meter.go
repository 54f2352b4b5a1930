// Package meter measures what an engine does with a device: the memory that it
// takes, how often it waits and launches, and the time of every kernel.
package meter

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"colakit/kernels/device"
)

// Device is a device that is measured. It hands everything on.
type Device struct {
	device.Device
	sizes      map[device.Pointer]int64
	live, peak int64
	calls      Calls

	timing   bool
	kernels  map[string]*Kernel
	recorded *graph // the graph that is being captured
}

// Calls counts what the host asks of a device.
type Calls struct {
	Waits   int `json:"waits"` // for all work: Download, Synchronize, Free, Time
	Uploads int `json:"uploads"`
	Graphs  int `json:"graphs"`  // launches of recorded work
	Kernels int `json:"kernels"` // other launches; copies and fills on the device included
}

// Plus returns the sum.
func (c Calls) Plus(o Calls) Calls {
	return Calls{c.Waits + o.Waits, c.Uploads + o.Uploads, c.Graphs + o.Graphs, c.Kernels + o.Kernels}
}

// Minus returns the difference.
func (c Calls) Minus(o Calls) Calls {
	return Calls{c.Waits - o.Waits, c.Uploads - o.Uploads, c.Graphs - o.Graphs, c.Kernels - o.Kernels}
}

// Kernel is the time that the launches of a kernel took on the device.
type Kernel struct {
	Name     string        `json:"name"` // or "copy", "zero"
	Launches int           `json:"launches"`
	Total    time.Duration `json:"nanoseconds"`
}

// New measures a device. Closing it closes the device.
func New(d device.Device) *Device {
	return &Device{Device: d, sizes: map[device.Pointer]int64{}, kernels: map[string]*Kernel{}}
}

// Memory returns the bytes that are allocated, and the most that were at a time.
func (d *Device) Memory() (live, peak int64) { return d.live, d.peak }

// Calls returns what was asked for since the device was made; what a capture records is
// asked for when it is launched.
func (d *Device) Calls() Calls { return d.calls }

// Alloc counts.
func (d *Device) Alloc(bytes int64) (device.Buffer, error) {
	b, err := d.Device.Alloc(bytes)
	if err == nil {
		d.sizes[b.Pointer] = b.Bytes
		d.live += b.Bytes
		d.peak = max(d.peak, d.live)
	}
	return b, err
}

// Free counts.
func (d *Device) Free(b device.Buffer) error {
	d.calls.Waits++
	err := d.Device.Free(b)
	if err == nil {
		d.live -= d.sizes[b.Pointer]
		delete(d.sizes, b.Pointer)
	}
	return err
}

// Upload counts.
func (d *Device) Upload(dst device.Buffer, offset int64, src []byte) error {
	d.calls.Uploads++
	return d.Device.Upload(dst, offset, src)
}

// Download counts.
func (d *Device) Download(dst []byte, src device.Buffer, offset int64) error {
	d.calls.Waits++
	return d.Device.Download(dst, src, offset)
}

// Synchronize counts.
func (d *Device) Synchronize() error {
	d.calls.Waits++
	return d.Device.Synchronize()
}

// Time counts.
func (d *Device) Time(f func() error) (time.Duration, error) {
	d.calls.Waits++
	return d.Device.Time(f)
}

// TimeKernels makes every kernel wait for the one before it and be timed, or ends
// that. Graphs are then launched kernel by kernel, too, so the sum is more than the
// kernels take in a row.
func (d *Device) TimeKernels(on bool) { d.timing = on }

// Kernels returns the times since the device was made, the longest first.
func (d *Device) Kernels() []Kernel {
	var all []Kernel
	for k := range maps.Values(d.kernels) {
		all = append(all, *k)
	}
	slices.SortFunc(all, func(a, b Kernel) int { return cmp.Or(cmp.Compare(b.Total, a.Total), cmp.Compare(a.Name, b.Name)) })
	return all
}

// run enqueues work under a name. While a graph is captured it is noted there.
func (d *Device) run(name string, work func() error) error {
	switch {
	case d.recorded != nil:
		d.recorded.work = append(d.recorded.work, named{name, work})
		return work()
	case d.timing:
		d.calls.Kernels++
		return d.time(name, work)
	}
	d.calls.Kernels++
	return work()
}

func (d *Device) time(name string, work func() error) error {
	took, err := d.Time(work)
	k := d.kernels[name]
	if k == nil {
		k = &Kernel{Name: name}
		d.kernels[name] = k
	}
	k.Launches++
	k.Total += took
	return err
}

// Launch times a kernel, if that is on.
func (d *Device) Launch(kernel string, l device.Launch, args ...any) error {
	return d.run(kernel, func() error { return d.Device.Launch(kernel, l, args...) })
}

// Copy times a copy, if that is on.
func (d *Device) Copy(dst device.Buffer, dstOffset int64, src device.Buffer, srcOffset, bytes int64) error {
	return d.run("copy", func() error { return d.Device.Copy(dst, dstOffset, src, srcOffset, bytes) })
}

// Zero times a fill, if that is on.
func (d *Device) Zero(b device.Buffer, offset, bytes int64) error {
	return d.run("zero", func() error { return d.Device.Zero(b, offset, bytes) })
}

// graph is a recorded sequence and what it consists of.
type graph struct {
	device.Graph
	device *Device
	work   []named
}

type named struct {
	name string
	work func() error
}

// Capture records, and notes what the graph consists of.
func (d *Device) Capture(record func() error) (device.Graph, error) {
	g := &graph{device: d}
	recorded, err := d.Device.Capture(func() error {
		d.recorded = g
		defer func() { d.recorded = nil }()
		return record()
	})
	if err != nil {
		return nil, err
	}
	g.Graph = recorded
	return g, nil
}

// Launch launches the graph, or what it consists of while kernels are timed.
func (g *graph) Launch() error {
	g.device.calls.Graphs++
	if !g.device.timing {
		return g.Graph.Launch()
	}
	for _, w := range g.work {
		if err := g.device.time(w.name, w.work); err != nil {
			return err
		}
	}
	return nil
}
