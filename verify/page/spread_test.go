package page

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBars(t *testing.T) {
	tests := []struct {
		distances []int64
		names     []string
		counts    []int64
	}{
		{nil, nil, nil},
		{[]int64{5}, []string{"0"}, []int64{5}},
		{[]int64{1, 2, 3, 4}, []string{"0", "1", "2–3", "4–7"}, []int64{1, 2, 3, 4}},
		{[]int64{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 1, 2, 3, 4, 5},
			[]string{"0", "1", "2–3", "4–7", "8–15", "16–31", "32–63", "64–127", "128–255", "256–511", "512–1023", "2^10–2^14", "2^14–2^18"},
			[]int64{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 10, 5}},
	}
	for _, tt := range tests {
		names, counts := bars(tt.distances)
		if diff := cmp.Diff(tt.names, names) + cmp.Diff(tt.counts, counts); diff != "" {
			t.Errorf("%v (-want +got)\n%s", tt.distances, diff)
		}
	}
}

func TestPercent(t *testing.T) {
	for share, want := range map[float64]string{0: "0", 1: "100 %", 0.9999999: "100.0000 %", 0.25: "25 %", 1e-7: "1e-05 %"} {
		if got := percent(share); got != want {
			t.Errorf("%v: %q, want %q", share, got, want)
		}
	}
}
