package ops

import (
	"fmt"
	"math"
	"testing"

	"colakit/kernels/emulated"
)

// ways runs a linear layer in narrow and in wide blocks, which have to give the same
// bits, and returns them.
func ways(t *testing.T, run func(b *bench) []float32) []float32 {
	t.Helper()
	with := func(blocks int) func(b *bench) []float32 {
		return func(b *bench) []float32 {
			b.o.wideBlocks = blocks
			return run(b)
		}
	}
	narrow := with(math.MaxInt)(newBench(t, emulated.Options{}))
	wide := inEveryOrder(t, with(1))
	if at := differs(narrow, wide); at >= 0 {
		t.Fatalf("result %d of %d is %v in wide blocks, %v in narrow ones", at, len(narrow), wide[at], narrow[at])
	}
	return wide
}

type wideShape struct{ m, k, n, ldx int }

// wideShapes have tails of tokens, panels, tiles and parts: of 33 tiles, 12, 12 and 9.
// Short runs leave out the last two.
func wideShapes() []wideShape {
	all := []wideShape{{1, 32, 16, 32}, {130, 48, 140, 64}, {128, 96, 128, 96}, {70, 1056, 72, 1056}, {260, 272, 20, 288}}
	if testing.Short() {
		return all[:3]
	}
	return all
}

// TestLinearWide compares wide blocks with narrow ones and with the oracle, for every
// kind of weights with 16-bit activations.
func TestLinearWide(t *testing.T) {
	for i, s := range wideShapes() {
		seed := uint64(1000 + 10*i)
		for _, typ := range []Type{BF16, F16} {
			c := layerCase{x: random(typ, s.m, s.k, s.ldx, 1, seed), w: random(typ, s.n, s.k, s.k, 0.1, seed+1), bias: vector(s.n, 0, 1, seed+2), out: F32, stride: s.n + 1, e: Epilogue{Round: F32}}
			t.Run(fmt.Sprintf("%v %+v", typ, s), func(t *testing.T) { check(t, ways(t, c.run), c.oracle()) })
			for _, group := range []int{0, 64, 96} {
				c := c
				c.codes, c.group = codes(s.n*s.k, seed+3), group
				groups := 1
				if group > 0 {
					groups = ceil(s.k, group)
				}
				c.scales = numbers(F16, s.n, groups, groups, vector(s.n*groups, 0.01, 0.001, seed+4))
				t.Run(fmt.Sprintf("int8 in groups of %d, %v %+v", group, typ, s), func(t *testing.T) { check(t, ways(t, c.run), c.oracle()) })
			}
		}
	}
}

// TestLinearWideOfCodes does so for int8 activations.
func TestLinearWideOfCodes(t *testing.T) {
	for _, s := range wideShapes() {
		for _, group := range []int{0, 64, 96} {
			c := codedCase{s.m, s.k, s.n, s.ldx, group, codes(s.m*s.k, 1), vector(s.m, 0.02, 0.001, 2), vector(s.n*2*s.k, 0.01, 0.001, 3), codes(s.n*s.k, 4)}
			t.Run(fmt.Sprintf("groups of %d, %+v", group, s), func(t *testing.T) { check(t, ways(t, c.run), c.oracle()) })
		}
	}
}

// TestLinearWideEpilogues has all that may follow a product, for tokens of two blocks.
func TestLinearWideEpilogues(t *testing.T) {
	const m, k, n = 133, 64, 70
	base := layerCase{x: random(BF16, m, k, k, 1, 1), w: random(BF16, n, k, k, 0.2, 2), bias: vector(n, 0, 1, 3), out: BF16, stride: n + 5, e: Epilogue{Round: BF16, Activation: GELUTanh, Clip: 1.3}}
	base.gate, base.line = random(BF16, 3, n, n+1, 1, 4), make([]int32, m)
	for i := range base.line {
		base.line[i] = int32(i % 3)
	}
	base.resid = random(BF16, m, n, n+2, 1, 5)
	pairs := layerCase{x: base.x, w: base.w, bias: base.bias, out: F32, stride: n/2 + 1, e: Epilogue{Round: F32, Activation: SwiGLU}, pairs: true}
	for name, c := range map[string]layerCase{"gate and residual": base, "swiglu": pairs} {
		t.Run(name, func(t *testing.T) { check(t, ways(t, c.run), c.oracle()) })
	}
}

// TestLinearTakesWideBlocks expects them where there are enough to do, and nowhere else.
func TestLinearTakesWideBlocks(t *testing.T) {
	b := newBench(t, emulated.Options{})
	l := &Linear{kind: tiled16, typ: BF16, In: 2048, Out: 2048, panels: 128, tiles: 64}
	for _, c := range []struct {
		reason         string
		rows, in, from int
		tokens         int
	}{
		{"32 samples of 32 rows", 1024, 2048, 0, 64}, {"64 samples", 2048, 2048, 0, 128}, {"one", 32, 2048, 0, 32},
		{"rows that start anywhere", 2048, 2048, 2, 64}, {"rows that end anywhere", 2048, 2044, 0, 64},
	} {
		x := Matrix{Type: BF16, Offset: int64(c.from), Rows: c.rows, Cols: c.in, Stride: 2048}
		if p := b.o.plan(l, x); p.tokens != c.tokens {
			t.Errorf("%s: blocks of %d tokens, wanted %d", c.reason, p.tokens, c.tokens)
		}
	}
}

// TestParts expects every part to have work and its share of the tiles.
func TestParts(t *testing.T) {
	for _, c := range []struct{ blocks, tiles, n, split int }{
		{96, 64, 4, 16}, {128, 64, 2, 32}, {32, 64, 8, 8}, {32, 256, 8, 32}, {1567, 48, 1, 48},
		{1, 1, 1, 4}, {1, 15, 1, 16}, {1, 33, 3, 12}, {1, 1000, 125, 8},
	} {
		if n, split := parts(c.blocks, c.tiles); n != c.n || split != c.split {
			t.Errorf("%d blocks of %d tiles: %d parts of %d, wanted %d of %d", c.blocks, c.tiles, n, split, c.n, c.split)
		}
	}
	for tiles := 1; tiles < 300; tiles++ {
		n, split := parts(7, tiles)
		if split%splitTiles != 0 || (n-1)*split >= tiles || n*split < tiles {
			t.Errorf("%d tiles are cut into %d parts of %d", tiles, n, split)
		}
	}
}
