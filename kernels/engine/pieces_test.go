package engine

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/kernels/emulated"
	"colakit/kernels/ops"
	"colakit/reference/generate"
)

// TestPieces: passes have whole blocks, in order, and no more rows than is said but for
// a block that has more by itself.
func TestPieces(t *testing.T) {
	for _, c := range []struct {
		lengths     []int
		block, most int
		want        [][]ops.Span
	}{
		{[]int{0, 0}, 4, 8, nil},
		{[]int{4, 0, 8}, 4, 100, [][]ops.Span{{{Queries: 4}, {Row: 4, Queries: 8, Sequence: 2}}}},
		{[]int{12, 8}, 4, 10, [][]ops.Span{
			{{Queries: 8}},
			{{Queries: 4, Cached: 8}, {Row: 4, Queries: 4, Sequence: 1}},
			{{Queries: 4, Cached: 4, Sequence: 1}},
		}},
		{[]int{6, 3}, 4, 8, [][]ops.Span{ // the end of a sequence need not be that of a block
			{{Queries: 6}},
			{{Queries: 3, Sequence: 1}},
		}},
		{[]int{40, 5}, 16, 8, [][]ops.Span{
			{{Queries: 16}}, {{Queries: 16, Cached: 16}}, {{Queries: 8, Cached: 32}}, {{Queries: 5, Sequence: 1}},
		}},
		{[]int{40}, 0, 8, [][]ops.Span{{{Queries: 40}}}},
	} {
		if d := cmp.Diff(c.want, pieces(c.lengths, c.block, c.most)); d != "" {
			t.Errorf("%v in blocks of %d, %d at most: %s", c.lengths, c.block, c.most, d)
		}
	}
}

// longPrompts are prompts of many blocks.
func longPrompts(tokens ...int) [][]int32 {
	all := make([][]int32, len(tokens))
	for i, n := range tokens {
		all[i] = make([]int32, n)
		for j := range all[i] {
			all[i][j] = int32((i*31 + j*17) % 700)
		}
	}
	return all
}

// TestPiecesAreEqual: encoding and prefill in pieces give the bits of an uncut pass, in
// the latents and, through the caches, in a block that follows; and less than half the
// memory is taken for it. The masks of the two models are cut apart.
func TestPiecesAreEqual(t *testing.T) {
	for _, c := range []generate.Contract{generate.Exact, generate.Released} {
		whole, much := prefilled(t, c, 1<<20)
		cut, little := prefilled(t, c, 24) // two blocks of the VAE
		if d := cmp.Diff(whole, cut); d != "" {
			t.Errorf("%v: %.300s", c, d)
		}
		if 2*little > much {
			t.Errorf("%v: %d bytes of work space in pieces, %d in one", c, little, much)
		}
	}
}

// prefilled encodes prompts, prefills them in pieces of so many rows, and returns what
// comes out of that and of the first block, and the bytes of the work space.
func prefilled(t *testing.T, c generate.Contract, rows int) (out [][]float32, scratch int64) {
	t.Helper()
	file, cfg := model(t)
	cfg.VAE.BlockSize = 3 * cfg.DiT.BlockSize
	d, err := emulated.Open(emulated.Options{})
	if err != nil {
		t.Skip("not run: ", err)
	}
	e, err := newEngine(file, cfg, d, Options{Contract: c})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	e.pieceRows = rows
	latents, err := e.Encode(t.Context(), longPrompts(28, 12, 52))
	if err == nil {
		err = e.Prefill(t.Context(), latents)
	}
	if err != nil {
		t.Fatal(err)
	}
	pass := generate.Pass{Z: make([]float32, 3*cfg.DiT.BlockSize*cfg.VAE.LatentDim), T: make([]float32, 3*cfg.DiT.BlockSize)}
	for i := range pass.Z {
		pass.Z[i] = float32(i%13)/6 - 1
	}
	scratch = e.scratch.whole.most + e.scratch.layers[0].most + e.scratch.layers[1].most
	cond, uncond, err := e.Velocity(t.Context(), pass)
	if err != nil {
		t.Fatal(err)
	}
	logits, err := e.Decode(t.Context(), pass)
	if err != nil {
		t.Fatal(err)
	}
	return append(latents, cond, uncond, logits), scratch
}
