//go:build !amd64

package matmul

// fastKernels lists no kernels: this processor has none of its own.
func fastKernels() []named { return nil }
