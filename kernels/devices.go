package kernels

import (
	"fmt"
	"os"

	"colakit/kernels/device"
	"colakit/kernels/driver"
	"colakit/kernels/emulated"
	"colakit/kernels/ptx"
)

// Listing is a device of this machine, or a kind of them, and why it cannot be used.
type Listing struct {
	device.Info
	Problem string `json:"problem,omitempty"` // empty: usable
}

// Kinds of devices that Open knows.
const (
	Emulated = "emulated"
	CUDA     = "cuda"
)

// Open opens the emulated device or a CUDA device. memory bounds the bytes that can
// be allocated at a time; 0: what the device has. An error that wraps
// device.ErrUnavailable says why there is no such device. COLAKIT_KERNELS names a file
// that a CUDA device loads in place of the embedded kernels (driver.Options.Kernels).
func Open(kind string, index int, memory int64) (device.Device, error) {
	switch kind {
	case Emulated:
		return emulated.Open(emulated.Options{Memory: memory})
	case CUDA:
		return driver.Open(driver.Options{Index: index, Memory: memory, Kernels: os.Getenv("COLAKIT_KERNELS")})
	}
	return nil, device.Unavailablef("there are no devices of kind %q", kind)
}

// Devices lists the emulated device and all CUDA devices; a kind of which there is
// none has one entry that says why.
func Devices() []Listing { return append([]Listing{emulatedListing()}, cudaListings()...) }

func emulatedListing() Listing {
	d, err := emulated.Open(emulated.Options{})
	if err != nil {
		return Listing{device.Info{Kind: Emulated}, err.Error()}
	}
	defer d.Close()
	return Listing{Info: d.Info()}
}

func cudaListings() []Listing {
	infos, err := driver.List()
	if err == nil && len(infos) == 0 {
		err = fmt.Errorf("the driver finds no device")
	}
	if err != nil {
		return []Listing{{device.Info{Kind: CUDA}, err.Error()}}
	}
	all := make([]Listing, len(infos))
	for i, info := range infos {
		all[i].Info = info
		if _, err := ptx.Image(info.Capability); err != nil {
			all[i].Problem = err.Error()
		}
	}
	return all
}
