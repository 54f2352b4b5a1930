package reference

// A layout says which rows of a pass belong to which sample, and what they see.
// The rows of all samples stand one after the other, without padding; so do the
// keys, each sample's cached ones before its new ones.
type layout struct {
	spans      []span
	rows, keys int
	block      int // rows of a block of the mask; 0: no mask
}

// A span is one sample's part of a pass. Its queries are the last of its keys.
type span struct {
	sample   int // its entry in the caches
	first    int // its first row
	queries  int // its rows
	firstKey int // its first key in the concatenation
	cached   int // keys before the first query
}

// keys returns the number of the span's keys.
func (s span) keys() int { return s.cached + s.queries }

// add appends a span of queries rows of a sample that see cached rows before them.
func (l *layout) add(sample, cached, queries int) {
	s := span{sample: sample, first: l.rows, queries: queries, firstKey: l.keys, cached: cached}
	l.spans = append(l.spans, s)
	l.rows += queries
	l.keys += s.keys()
}

// A group is a run of queries of one span that see the same keys: the span's
// first visible ones.
type group struct {
	first, queries int // relative to the span
	visible        int
}

// groups cuts a span into groups. A query of block b sees the keys of blocks ≤ b.
func (l *layout) groups(s span) []group {
	if l.block == 0 && s.queries > 0 {
		return []group{{0, s.queries, s.keys()}}
	}
	var groups []group
	for q := 0; q < s.queries; {
		end := min(s.keys(), ((s.cached+q)/l.block+1)*l.block)
		n := end - s.cached - q
		groups = append(groups, group{q, n, end})
		q += n
	}
	return groups
}

// queryPositions returns the position of every row in its sample.
func (l *layout) queryPositions() []int {
	positions := make([]int, 0, l.rows)
	for _, s := range l.spans {
		for q := range s.queries {
			positions = append(positions, s.cached+q)
		}
	}
	return positions
}

// keyPositions returns the position of every key in its sample.
func (l *layout) keyPositions() []int {
	positions := make([]int, 0, l.keys)
	for _, s := range l.spans {
		for k := range s.keys() {
			positions = append(positions, k)
		}
	}
	return positions
}
