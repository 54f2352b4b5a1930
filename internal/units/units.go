// Package units formats amounts for people.
package units

import "fmt"

// Bytes formats a number of bytes in units of 1000, three digits: "4.66 GB".
func Bytes(n int64) string {
	names := []string{"B", "kB", "MB", "GB", "TB", "PB", "EB"}
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	x, u := float64(n), 0
	for ; x >= 999.5; u++ {
		x /= 1000
	}
	switch {
	case x < 9.995:
		return fmt.Sprintf("%.2f %s", x, names[u])
	case x < 99.95:
		return fmt.Sprintf("%.1f %s", x, names[u])
	}
	return fmt.Sprintf("%.0f %s", x, names[u])
}

// Count formats a number of things: "1 value", "2 values".
func Count(n int64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
