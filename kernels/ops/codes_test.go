package ops

import (
	"fmt"
	"math"
	"testing"
)

// TestLinearOfCodes expects sums of products of codes to the bit: integers, but for
// groups, whose scaled sums are added.
func TestLinearOfCodes(t *testing.T) {
	for _, s := range []struct{ m, k, n, ldx, group int }{
		{1, 32, 16, 32, 0}, {9, 112, 70, 128, 0}, {20, 50, 24, 53, 0}, {70, 64, 16, 64, 0}, {5, 2048, 33, 2048, 0},
		{9, 112, 20, 128, 32}, {40, 96, 24, 96, 32}, {3, 1088, 40, 1088, 64}, {17, 400, 40, 400, 128},
	} {
		t.Run(fmt.Sprint(s), func(t *testing.T) {
			c := codedCase{s.m, s.k, s.n, s.ldx, s.group, codes(s.m*s.k, 1), vector(s.m, 0.02, 0.001, 2), vector(s.n*2*s.k, 0.01, 0.001, 3), codes(s.n*s.k, 4)}
			got := inEveryOrder(t, c.run)
			if s.group == 0 {
				same(t, got, c.exact())
			}
			check(t, got, c.oracle())
		})
	}
}

type codedCase struct {
	m, k, n, ldx, group int
	x                   []int8
	xScale, scale       []float32
	w                   []int8
}

func (c codedCase) groups() int {
	if c.group == 0 {
		return 1
	}
	return ceil(c.k, c.group)
}

func (c codedCase) run(b *bench) []float32 {
	w := Weights{Type: I8, Out: c.n, In: c.k, ScaleType: F32, Group: c.group, Scales: floatBytes(c.scale[:c.n*c.groups()])}
	for _, q := range c.w {
		w.Data = append(w.Data, byte(q))
	}
	raw := make([]int8, c.m*c.ldx)
	for r := range c.m {
		copy(raw[r*c.ldx:], c.x[r*c.k:(r+1)*c.k])
		for i := r*c.ldx + c.k; i < (r+1)*c.ldx; i++ {
			raw[i] = 77 // not to be read
		}
	}
	x := b.codes(raw, c.m, c.k, c.ldx)
	y := b.fresh(F32, c.m, c.n, c.n+1)
	b.must(b.o.Linear(y, x, b.vector(c.xScale), b.layer(w), Epilogue{Round: F32}))
	return b.get(y)
}

// sum returns the integer sum of a group.
func (c codedCase) sum(m, n, group int) (sum int32) {
	from, to := 0, c.k
	if c.group > 0 {
		from, to = group*c.group, min((group+1)*c.group, c.k)
	}
	for k := from; k < to; k++ {
		sum += int32(c.x[m*c.k+k]) * int32(c.w[n*c.k+k])
	}
	return sum
}

func (c codedCase) exact() []float32 {
	var want []float32
	for m := range c.m {
		for n := range c.n {
			want = append(want, float32(float32(c.sum(m, n, 0))*c.scale[n])*c.xScale[m])
		}
	}
	return want
}

func (c codedCase) oracle() []estimate {
	var want []estimate
	for m := range c.m {
		for n := range c.n {
			sum, size := 0.0, 0.0
			for g := range c.groups() {
				p := float64(c.sum(m, n, g)) * float64(c.scale[n*c.groups()+g])
				sum += p
				size += math.Abs(p)
			}
			// halves of groups are added apart: their sizes are not those of the sums
			size += float64(c.k) * 127 * 127 * 0.012 / math.Sqrt(float64(c.k))
			want = append(want, estimate{sum, size * 8 * unit(F32)}.times(float64(c.xScale[m])))
		}
	}
	return want
}

func (b *bench) codes(raw []int8, rows, cols, stride int) Matrix {
	data := make([]byte, len(raw))
	for i, q := range raw {
		data[i] = byte(q)
	}
	buffer, err := b.o.device.Alloc(int64(len(data)))
	b.must(err)
	b.Cleanup(func() { b.o.device.Free(buffer) })
	b.must(b.o.device.Upload(buffer, 0, data))
	return Matrix{Buffer: buffer, Type: I8, Rows: rows, Cols: cols, Stride: stride}
}

func TestTileRefuses(t *testing.T) {
	data := make([]byte, 4*32*2)
	for _, c := range []struct {
		reason string
		w      Weights
	}{
		{"no rows", Weights{Type: F16, In: 32}},
		{"too few bytes", Weights{Type: F16, Out: 5, In: 32, Data: data}},
		{"a type that no kernel takes", Weights{Type: I32, Out: 2, In: 32, Data: data}},
		{"a bias too short", Weights{Type: F16, Out: 4, In: 32, Data: data, Bias: make([]float32, 3)}},
		{"an odd number of rows in pairs", Weights{Type: F16, Out: 3, In: 32, Data: data[:192], Pairs: true}},
		{"groups of 48", Weights{Type: I8, Out: 4, In: 64, Data: data, ScaleType: F32, Group: 48, Scales: data[:32]}},
		{"scales of bf16", Weights{Type: I8, Out: 4, In: 64, Data: data, ScaleType: BF16, Scales: data[:8]}},
		{"scales missing", Weights{Type: I8, Out: 4, In: 64, Data: data, ScaleType: F32}},
	} {
		if _, err := Tile(c.w); err == nil {
			t.Errorf("%s: no error", c.reason)
		}
	}
}
