package units

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// suffixes are the units of ParseBytes, those of 1000 and those of 1024.
var suffixes = []struct {
	name  string
	bytes float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12},
	{"K", 1e3}, {"M", 1e6}, {"G", 1e9}, {"T", 1e12}, {"B", 1}, {"", 1},
}

// ParseBytes reads a number of bytes such as "300M", "1.5GB", "512MiB" or "1000000";
// K, M, G and T are powers of 1000, KiB to TiB of 1024.
func ParseBytes(text string) (int64, error) {
	for _, s := range suffixes {
		digits, ok := strings.CutSuffix(text, s.name)
		if !ok {
			continue
		}
		x, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
		if n := x * s.bytes; err == nil && n >= 1 && n < math.MaxInt64 {
			return int64(n), nil
		}
		break
	}
	return 0, fmt.Errorf("size %q: want a number of bytes like 300M, 1.5GB or 512MiB", text)
}
