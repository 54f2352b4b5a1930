//go:build cgo && linux && (amd64 || arm64)

package emulated

// #include <stdlib.h>
// #include "bridge.h"
import "C"

import "unsafe"

// What tests ask the C++ side; cgo is not possible in test files.

// parameters returns the types that g++ saw, such as "p8 i4"; empty: no such kernel.
func parameters(kernel string) string {
	name := C.CString(kernel)
	defer C.free(unsafe.Pointer(name))
	return C.GoString(C.emulated_parameters(name))
}

func switches() uint64                  { return uint64(C.emulated_switches()) }
func liveBytes() int64                  { return int64(C.emulated_live()) }
func floatToHalf(f float32) uint16      { return uint16(C.emulated_float_to_half(C.float(f))) }
func halfToFloat(h uint16) float32      { return float32(C.emulated_half_to_float(C.uint16_t(h))) }
func exp2Approximate(x float32) float32 { return float32(C.emulated_exp2(C.float(x))) }
func log2Approximate(x float32) float32 { return float32(C.emulated_log2(C.float(x))) }
