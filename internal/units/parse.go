package units

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// factors are the units that ParseBytes takes; case does not matter.
var factors = map[string]float64{
	"": 1, "b": 1,
	"k": 1e3, "kb": 1e3, "m": 1e6, "mb": 1e6, "g": 1e9, "gb": 1e9, "t": 1e12, "tb": 1e12,
	"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
}

// ParseBytes reads a number of bytes as "1500", "1.5kB" or "300 MiB": 1 or more.
func ParseBytes(text string) (int64, error) {
	digits := strings.TrimRight(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ")
	factor, ok := factors[strings.ToLower(strings.TrimSpace(text[len(digits):]))]
	number, err := strconv.ParseFloat(digits, 64)
	if n := number * factor; ok && err == nil && n >= 1 && n < math.MaxInt64 {
		return int64(n), nil
	}
	return 0, fmt.Errorf("%q is no number of bytes: want one like 300MB, 1.5GiB or 4096", text)
}
