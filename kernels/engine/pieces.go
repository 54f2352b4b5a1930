package engine

import (
	"math"

	"colakit/kernels/ops"
)

// pieceRows bounds the rows of a pass over prompts, so that work space does not grow
// with their lengths. A block of the mask that is longer is not cut.
const pieceRows = 2048

// pieces divides sequences, which lie one after the other, into passes of at most
// `most` rows. A sequence is cut between blocks of the mask: rows see nothing of later
// blocks, so a pass that finds the earlier ones in the cache gives the bits of an uncut
// one. Without a mask (block 0) a sequence is not cut.
func pieces(lengths []int, block, most int) (all [][]ops.Span) {
	var piece []ops.Span
	rows := 0
	for sequence, length := range lengths {
		size := block
		if size == 0 {
			size = length
		}
		for done := 0; done < length; {
			n := length - done
			if n > most-rows {
				n = min(n, (most-rows)/size*size)
			}
			if n == 0 && rows > 0 {
				all, piece, rows = append(all, piece), nil, 0
				continue
			}
			if n == 0 { // a block that is longer than a pass
				n = min(size, length-done)
			}
			piece = append(piece, ops.Span{Row: rows, Queries: n, Cached: done, Sequence: sequence})
			done, rows = done+n, rows+n
		}
	}
	if rows > 0 {
		all = append(all, piece)
	}
	return all
}

// pieces divides a pass over prompts. A rehearsal, whose prompts are equally long, makes
// some of its passes: the others take as much.
func (e *engine) pieces(lengths []int, block int) [][]ops.Span {
	all := pieces(lengths, block, e.piece())
	if n := len(all); e.rehearsal && n > 4 {
		return append(all[:2:2], all[n-2:]...)
	}
	return all
}

// piece returns the most rows of a pass over prompts. A tap is shown every value whole.
func (e *engine) piece() int {
	if e.tap != nil {
		return math.MaxInt32
	}
	return e.pieceRows
}

// rowsOf returns the number of rows of a pass over the spans.
func rowsOf(spans []ops.Span) int {
	n := 0
	for _, s := range spans {
		n += s.Queries
	}
	return n
}
