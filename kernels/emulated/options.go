// Package emulated runs the CUDA kernels of package cuda on the CPU: compiled by
// g++ through cgo, one fiber for each CUDA thread, blocks spread over OS threads.
//
// It is slow (some GFLOP/s through the emulated tensor cores) and strict. A
// barrier or warp collective that not all threads reach is an error with the
// places where threads wait. Buffers lie between unreadable pages, so running
// over one is an error with kernel, block and thread; fresh memory and shared
// memory are NaN. Threads take turns in one of several orders (Options.Order): a
// kernel whose result depends on it lacks a barrier. The result of a launch does
// not depend on the number of OS threads.
//
// emulate.h is CUDA C++ for g++, schedule.cpp runs a block, grid.cpp a grid;
// plants.cu holds wrong kernels that must be caught. scripts/sanitize.sh runs the
// tests under AddressSanitizer, UndefinedBehaviorSanitizer, ThreadSanitizer (which
// sees races between CUDA threads) and valgrind.
//
// It needs cgo on Linux, amd64 or arm64; elsewhere Open returns an error that says so.
package emulated

// Order is the order in which the threads of a block, and the blocks of a grid, get
// their first turn.
type Order int

// The orders.
const (
	Forward Order = iota
	Reverse
	Random // threads by Options.Seed and the block's index; blocks from block Seed on
)

// Options of a device.
type Options struct {
	Order   Order
	Seed    uint64 // of Random
	Workers int    // OS threads; 0: one for each processor
	Memory  int64  // bytes that can be allocated at a time; 0: 8 GiB
}

const defaultMemory = 8 << 30

// Orders returns the options under which a kernel's result has to be the same: a
// test of a kernel runs under each.
func Orders() []Options {
	return []Options{{Order: Forward}, {Order: Reverse}, {Order: Random, Seed: 1}, {Order: Random, Seed: 99}}
}
