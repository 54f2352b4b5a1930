package units

import "testing"

func TestParseBytes(t *testing.T) {
	for text, want := range map[string]int64{
		"1": 1, "300M": 300e6, "1.5GB": 15e8, "512MiB": 512 << 20, "2 KiB": 2048, "7kB": 7000, "12B": 12, "1T": 1e12, "1e6": 1e6,
		"": 0, "M": 0, "0": 0, "-1M": 0, "12 parsecs": 0, "NaN": 0, "Inf": 0, "1e30G": 0, "0.1": 0, "5MM": 0,
	} {
		got, err := ParseBytes(text)
		if got != want || (err == nil) != (want > 0) {
			t.Errorf("%q are %d bytes, %v; want %d", text, got, err, want)
		}
	}
}
