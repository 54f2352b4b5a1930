// Package driver runs the kernels of package ptx on CUDA devices, through
// gorgonia.org/cu and, for what that lacks (stream capture, graphs, function
// attributes, pinned memory, the log of the PTX compiler), a file of its own cgo.
//
// It is built with the tag cuda; scripts/cuda-env.sh prints the environment that
// the build needs, docs/gpu.md tells the way to a GPU. Without the tag Open and
// List return an error that says so. With it, programs start on machines without
// a driver, too: loader/ stands in for libcuda at link time and looks for the
// real one at run time.
//
// The driver's current context belongs to an OS thread. Every call keeps its
// goroutine on its thread while it lasts and makes the device's context current
// there; *cu.Ctx, which hands each call to another goroutine, is not used.
//
// fakecuda/ is a libcuda.so.1 for machines without a GPU: it executes the same
// kernels on the CPU, simulates old devices, little memory and faults, and counts
// what is not given back. The tests of this package run against it or against a GPU.
package driver

// Options of a device.
type Options struct {
	Index  int   // of the device
	Memory int64 // bytes that can be allocated at a time; 0: what the device has
	Check  bool  // wait after every launch, so that an error names its kernel exactly

	// Kernels names a file with all kernels as PTX, a cubin or a fatbin, such as
	// scripts/nvcc.sh makes; empty: the PTX of package ptx.
	Kernels string
}
