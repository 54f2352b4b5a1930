//go:build !amd64

package dtype

// kernels lists those that this processor can run, the fastest first.
func kernels() []kernel { return []kernel{plain} }
