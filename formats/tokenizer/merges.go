package tokenizer

import "math/bits"

type pair struct{ left, right int32 }

// merge says what a pair of tokens becomes; a lower rank goes first.
type merge struct{ rank, token int32 }

// mergeTable is a hash table with open addressing, at most half full: the lookup of
// a pair is what merging spends its time on.
type mergeTable struct {
	slots []mergeSlot
	shift int // a hash's upper bits are its slot
}

// mergeSlot is free where its left token is absent.
type mergeSlot struct {
	pair  pair
	merge merge
}

// newMergeTable returns a table with room for n pairs.
func newMergeTable(n int) mergeTable {
	width := bits.Len(uint(n) + 1)
	t := mergeTable{slots: make([]mergeSlot, 2<<width), shift: 64 - 1 - width}
	for i := range t.slots {
		t.slots[i].pair.left = absent
	}
	return t
}

// slot returns the slot that holds p, or the free one where it belongs.
func (t *mergeTable) slot(p pair) *mergeSlot {
	key := uint64(uint32(p.left))<<32 | uint64(uint32(p.right))
	at := int(key * 0x9e3779b97f4a7c15 >> t.shift) // Fibonacci hashing
	for {
		s := &t.slots[at]
		if s.pair == p || s.pair.left == absent {
			return s
		}
		at = (at + 1) & (len(t.slots) - 1)
	}
}

// put adds a pair or replaces what it becomes.
func (t *mergeTable) put(p pair, m merge) {
	*t.slot(p) = mergeSlot{pair: p, merge: m}
}

func (t *mergeTable) get(p pair) (merge, bool) {
	s := t.slot(p)
	return s.merge, s.pair.left != absent
}
