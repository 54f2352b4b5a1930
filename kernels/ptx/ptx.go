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

// Image returns the PTX for a device of a compute capability, such as "9.0", or an
// error if there is none.
func Image(capability string) (string, error) {
	var major, minor int
	if _, err := fmt.Sscanf(capability, "%d.%d", &major, &minor); err != nil {
		return "", fmt.Errorf("compute capability %q: %w", capability, err)
	}
	switch {
	case major == 9 && minor == 0:
		return sm90a, nil
	case major >= 8:
		return sm80, nil
	}
	return "", fmt.Errorf("compute capability %s is too old: the kernels need 8.0 (asynchronous copies, bfloat16)", capability)
}
