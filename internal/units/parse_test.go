package units

import "testing"

func TestParseBytes(t *testing.T) {
	for text, want := range map[string]int64{
		"1": 1, "4096": 4096, "5GB": 5e9, "1.5kB": 1500, "300 MiB": 300 << 20, "2g": 2e9, "1TiB": 1 << 40, "1e3": 1000, "9007199254740993": 9007199254740992,
	} {
		if got, err := ParseBytes(text); err != nil || got != want {
			t.Errorf("%q: got %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "0", "-1", "GB", "5XB", "1e30", "NaN", "Inf", "five", "1,5GB", "0.1"} {
		if got, err := ParseBytes(text); err == nil {
			t.Errorf("%q passes as %d", text, got)
		}
	}
}
