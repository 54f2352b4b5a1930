package engine

import (
	"testing"

	"colakit/kernels/ops"
)

// TestKeys expects passes to tell attention of at least as many keys as any row sees,
// and the same number for most lengths: launches, which depend on it, are recorded.
func TestKeys(t *testing.T) {
	for _, c := range []struct{ cached, keys int }{{0, 256}, {240, 256}, {241, 512}, {1000, 1024}} {
		var t0 tables
		var m image
		spans := []ops.Span{{Queries: 16, Cached: c.cached}, {Row: 16, Queries: 16, Sequence: 1}}
		m.tables(&t0, &cache{table: [][]int32{make([]int32, 20), {20}}}, spans, 16)
		if t0.keys != c.keys {
			t.Errorf("%d cached rows and a block of 16: %d keys, wanted %d", c.cached, t0.keys, c.keys)
		}
	}
}
