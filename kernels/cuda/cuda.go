// Package cuda holds the CUDA C++ sources of the kernels and a table of them.
//
// One file is one family (gemm.cu, norm.cu, …); kernels.cu includes all of them.
// device.h says what a kernel may use and how it is declared. The same text is
// compiled by g++ for package emulated, by clang for package ptx, and by nvcc.
//
// The sources are embedded for two reasons: the table of kernels is read from
// them, and the go command rebuilds the importers of this package when a source
// changes, which it does not do for files that are only included.
package cuda

import "embed"

// Sources holds the .cu files and their headers.
//
//go:embed *.cu *.h
var Sources embed.FS
