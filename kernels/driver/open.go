//go:build cuda && cgo

package driver

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"gorgonia.org/cu"

	"colakit/kernels/cuda"
	"colakit/kernels/device"
	"colakit/kernels/ptx"
)

// List describes the devices of the machine; Free is not known.
func List() ([]device.Info, error) {
	n, err := count()
	if err != nil {
		return nil, err
	}
	all := make([]device.Info, n)
	for i := range all {
		if all[i], _, err = describe(i); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func count() (int, error) {
	if why := loaderProblem(); why != "" {
		return 0, device.Unavailablef("%s", why)
	}
	n, err := cu.NumDevices()
	return n, checked("cuDeviceGetCount", err)
}

// describe asks a device for what an engine wants to know.
func describe(index int) (device.Info, cu.Device, error) {
	d, err := cu.GetDevice(index)
	if err != nil {
		return device.Info{}, d, checked("cuDeviceGet", err)
	}
	name, err := d.Name()
	if err != nil {
		return device.Info{}, d, checked("cuDeviceGetName", err)
	}
	memory, err := d.TotalMem()
	if err != nil {
		return device.Info{}, d, checked("cuDeviceTotalMem", err)
	}
	var failed error
	attribute := func(a cu.DeviceAttribute) int {
		v, err := d.Attribute(a)
		if err != nil {
			failed = checked("cuDeviceGetAttribute", err)
		}
		return v
	}
	version := cu.Version()
	info := device.Info{
		Kind: "cuda", Index: index, Name: strings.TrimRight(name, "\x00"), Memory: memory,
		Capability:     fmt.Sprintf("%d.%d", attribute(cu.ComputeCapabilityMajor), attribute(cu.ComputeCapabilityMinor)),
		Driver:         fmt.Sprintf("%d.%d", version/1000, version%1000/10),
		Processors:     attribute(cu.MultiprocessorCount),
		SharedPerBlock: attribute(maxSharedPerBlock),
		L2:             int64(attribute(cu.L2CacheSize)),
		// two transfers a cycle of the memory clock (kHz) over the bus (bits)
		Bandwidth: 2 * 1000 * int64(attribute(cu.MemoryClockRate)) * int64(attribute(cu.GlobalMemoryBusWidth)) / 8,
	}
	return info, d, failed
}

// Open returns a device with all kernels loaded. The driver compiles them the
// first time and keeps the result in a cache of its own.
func Open(o Options) (device.Device, error) {
	n, err := count()
	if err != nil {
		return nil, err
	}
	if o.Index < 0 || o.Index >= n {
		return nil, device.Unavailablef("there is no CUDA device %d: the machine has %d", o.Index, n)
	}
	info, handle, err := describe(o.Index)
	if err != nil {
		return nil, err
	}
	image, err := imageOf(o, info)
	if err != nil {
		return nil, err
	}
	return open(o, info, handle, image)
}

// imageOf returns the kernels in a form that the driver loads.
func imageOf(o Options, info device.Info) (string, error) {
	if o.Kernels != "" {
		raw, err := os.ReadFile(o.Kernels)
		if err != nil {
			return "", fmt.Errorf("kernels in place of the embedded ones: %w", err)
		}
		return string(raw), nil
	}
	image, err := ptx.Image(info.Capability)
	if err != nil {
		return "", device.Unavailablef("CUDA device %d (%s): %v", o.Index, info.Name, err)
	}
	return image, nil
}

func open(o Options, info device.Info, handle cu.Device, image string) (device.Device, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	label := fmt.Sprintf("CUDA device %d (%s)", o.Index, info.Name)
	if o.Kernels != "" {
		label += " with the kernels of " + o.Kernels
	}
	d := &Device{options: o, info: info, functions: map[string]cu.Function{}, ledger: device.Ledger{Device: label, Limit: o.Memory}}
	c, err := handle.MakeContext(cu.SchedAuto)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", label, checked("cuCtxCreate", err))
	}
	d.context = c
	if err := d.load(image); err != nil {
		d.Close()
		return nil, fmt.Errorf("%s: %w", label, err)
	}
	return d, nil
}

// load makes everything that a device has beside its context.
func (d *Device) load(image string) error {
	if err := checked("cuCtxSetCurrent", cu.SetCurrentContext(d.context)); err != nil {
		return err
	}
	m, err := loadModule(image)
	if err != nil {
		return err
	}
	d.module = &m
	s, err := cu.MakeStream(cu.NonBlocking)
	if err != nil {
		return checked("cuStreamCreate", err)
	}
	d.stream = &s
	if d.staging, err = newStaging(); err != nil {
		return err
	}
	kernels, err := cuda.Kernels()
	if err != nil {
		return err
	}
	for _, k := range kernels {
		f, err := m.Function(k.Name)
		if err != nil {
			return fmt.Errorf("kernel %s: %w", k.Name, checked("cuModuleGetFunction", err))
		}
		static, err := f.Attribute(cu.SharedSizeBytes)
		if err == nil {
			err = setMaxShared(f, d.info.SharedPerBlock-static)
		}
		if err != nil {
			return fmt.Errorf("kernel %s: %w", k.Name, checked("cuFuncGetAttribute", err))
		}
		d.functions[k.Name] = f
	}
	return nil
}
