// Package kernels is the home of the CUDA engine: kernel sources, what is made
// from them, the machines that run them, and the engine itself.
//
//	cuda      the kernels' CUDA C++ sources and a table of them
//	device    what an engine needs of a machine: memory, copies, launches, graphs
//	emulated  a device on the CPU: the same sources through g++, CUDA threads as fibers
//	ptx       the kernels as PTX for the driver, committed; scripts/ptx.sh makes it
//	layout    the order of weights in a device's memory
//	ops       launches: one function for an operation, which checks its operands
//	engine    the engine: computes the model on any device
//	meter     a device whose memory, copies and kernels are measured
//	driver    a device on a GPU, with the build tag cuda; fakecuda/ tests it without one
//
// The engine is held to the same taps, bundles and policy as the reference; kernels
// are compiled for the CPU, too, so that machines without a GPU can prove them:
// `--engine emulated`. `--engine cuda` runs them on a GPU, through package driver.
//
// A kernel is written in kernels/cuda (device.h says how), included by
// kernels.cu, and tested with devicetest and package emulated under all thread
// orders. The go command rebuilds what depends on an edited source, but for the
// PTX: run scripts/ptx.sh (it needs clang-19) and commit what it writes.
package kernels
