//go:build !cuda || !cgo

package driver

import "colakit/kernels/device"

var errTag = device.Unavailablef("this build has no CUDA driver path: build with -tags cuda and cgo (scripts/cuda-env.sh prints the environment)")

// Open returns an error: this build cannot use CUDA devices.
func Open(Options) (device.Device, error) { return nil, errTag }

// List returns an error: this build cannot use CUDA devices.
func List() ([]device.Info, error) { return nil, errTag }
