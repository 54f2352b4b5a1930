// Package kernels is the home of the CUDA engine: kernel sources, the PTX made
// from them, and the driver-API engine that implements generate.Engine beside
// the spago reference.
//
// It holds no engine yet, so no program offers one: `--engine` lists what a
// build contains. The engine is held to the same taps, bundles and policy as the
// reference; kernels are compiled for the CPU, too, so that machines without a
// GPU can prove them.
package kernels
