package generate

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/internal/torch"
)

func TestNoiseSeed(t *testing.T) {
	for _, c := range []struct {
		base, id int64
		block    int
		want     uint64
		fails    bool
	}{
		{66, 0, 0, 66, false},
		{66, 7, 2, 20_007_066, false},
		{0, 665984903, 3, 665_984_903_000 + 30_000_000, false},
		{0, -1, 0, math.MaxUint64 - 999, false},
		{math.MaxInt64, 0, 0, math.MaxInt64, false},
		{math.MaxInt64, 1, 0, math.MaxInt64 + 1000, false},
		{math.MinInt64, 0, 0, 1 << 63, false},
		{math.MinInt64, -1, 0, 0, true},
		{0, 18_446_744_073_709_551, 0, 18_446_744_073_709_551_000, false},
		{0, 18_446_744_073_709_552, 0, 0, true},
	} {
		got, err := NoiseSeed(c.base, c.id, c.block)
		if (err != nil) != c.fails || got != c.want {
			t.Errorf("base %d, id %d, block %d: %d, %v; want %d", c.base, c.id, c.block, got, err, c.want)
		}
	}
}

// TestPerSample: the first values are torch.randn's for seeds 66 and 42.
func TestPerSample(t *testing.T) {
	noise := PerSample{Base: 66, IDs: []int64{5, 0}}
	got := make([]float32, 16)
	if err := noise.Block(1, 0, got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]float32{0.2141747921705246, -0.14337170124053955}, got[:2]); diff != "" {
		t.Error(diff)
	}
	if err := noise.Block(2, 0, got); err == nil {
		t.Error("noise for a sample that is not there")
	}
}

// TestGlobal: one call for the batch, and the generator goes on.
func TestGlobal(t *testing.T) {
	want := make([]float32, 32+32)
	g := torch.New(7)
	g.Normal(want[:32])
	g.Normal(want[32:])

	noise := &Global{Generator: torch.New(7), Batch: 2}
	got := make([]float32, len(want))
	for block := range 2 {
		for sample := range 2 {
			at := (2*block + sample) * 16
			if err := noise.Block(sample, block, got[at:at+16]); err != nil {
				t.Fatal(err)
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if err := noise.Block(2, 1, got[:16]); err == nil {
		t.Error("noise for a third sample of two")
	}
	if err := noise.Block(1, 2, got[:16]); err == nil {
		t.Error("noise for a block whose first sample was skipped")
	}
}
