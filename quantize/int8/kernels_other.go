//go:build !amd64

package int8

// kernels lists those that this processor can run, the fastest first.
func kernels() []kernel { return []kernel{plain} }
