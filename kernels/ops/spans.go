package ops

// A Span is one sequence's part of a pass: the rows from Row on are its queries,
// which are the last of its keys. It stands for the same in package reference.
type Span struct {
	Row      int // its first row in the pass
	Queries  int // its rows
	Cached   int // keys before the first query
	Sequence int // its line in the table of pages
}

// Keys returns the number of the span's keys.
func (s Span) Keys() int { return s.Cached + s.Queries }

// Pages says where the rows of sequences lie in a cache: row j of sequence i is row
// Table[i][j>>Shift]<<Shift + j mod 2^Shift.
type Pages struct {
	Table [][]int32
	Shift int
}

// row returns the cache's row of row j of a sequence.
func (p Pages) row(sequence, j int) int32 {
	return p.Table[sequence][j>>p.Shift]<<p.Shift + int32(j&(1<<p.Shift-1))
}

// Flat returns the table as the kernels read it, every line of it `width` pages
// long, or as long as the longest.
func (p Pages) Flat(width int) []int32 {
	for _, line := range p.Table {
		width = max(width, len(line))
	}
	flat := make([]int32, width*len(p.Table))
	for i, line := range p.Table {
		copy(flat[i*width:], line)
	}
	return flat
}

// Positions returns the position in its sequence of every row of a pass.
func Positions(spans []Span) []int32 {
	var positions []int32
	for _, s := range spans {
		for q := range s.Queries {
			positions = append(positions, int32(s.Cached+q))
		}
	}
	return positions
}

// Slots returns the cache's row for the keys and values of every row of a pass.
func (p Pages) Slots(spans []Span) []int32 {
	var slots []int32
	for _, s := range spans {
		for q := range s.Queries {
			slots = append(slots, p.row(s.Sequence, s.Cached+q))
		}
	}
	return slots
}

const (
	tileQueries = 16 // of a tile of attention
	tileInts    = 8
)

// AttentionTiles returns the tiles of a pass, 8 numbers each, for a mask of blocks of
// `block` rows: a query of block b sees the keys of blocks ≤ b of its sequence. With
// block 0 it sees all of them. The cut depends on the span alone.
func AttentionTiles(spans []Span, block int) []int32 {
	var tiles []int32
	key := 0
	for _, s := range spans {
		for q := 0; q < s.Queries; {
			visible := s.Keys()
			if block > 0 {
				visible = min(visible, ((s.Cached+q)/block+1)*block)
			}
			n := min(visible-s.Cached-q, tileQueries)
			tiles = append(tiles, int32(s.Row+q), int32(n), int32(visible), int32(s.Sequence), int32(key), 0, 0, 0)
			q += n
		}
		key += s.Keys()
	}
	return tiles
}
