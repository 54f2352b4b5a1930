// Package ptx holds the kernels of package cuda as PTX, which a driver compiles
// for its device when it is loaded. scripts/ptx.sh writes the files with clang;
// docs/kernels.md says what each kernel takes on which device.
package ptx

import (
	_ "embed"
	"fmt"
)

var (
	//go:embed kernels.sm_80.ptx
	sm80 string // compute capability 8.0 and later
	//go:embed kernels.sm_90a.ptx
	sm90a string // 9.0 only
)

// Image returns the PTX for a device of compute capability major.minor, or an
// error if there is none.
func Image(major, minor int) (string, error) {
	switch {
	case major == 9 && minor == 0:
		return sm90a, nil
	case major >= 8:
		return sm80, nil
	}
	return "", fmt.Errorf("compute capability %d.%d is too old: the kernels need 8.0 (asynchronous copies, bfloat16)", major, minor)
}
