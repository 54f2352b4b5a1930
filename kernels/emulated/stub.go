//go:build !cgo || !linux || !(amd64 || arm64)

package emulated

import (
	"runtime"

	"colakit/kernels/device"
)

// Open returns an error: this build contains no emulated device.
func Open(Options) (device.Device, error) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		return nil, device.Unavailablef("the emulated device runs on Linux, amd64 or arm64, not on %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	return nil, device.Unavailablef("this build has no emulated device: it was built with CGO_ENABLED=0; build with cgo and g++")
}
