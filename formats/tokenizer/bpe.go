package tokenizer

import (
	"math"
	"slices"
	"sync/atomic"
)

// absent stands for no token.
const absent = -1

// States of a token of the vocabulary as a word of a text.
const (
	wholeUnknown uint32 = iota
	wholeYes            // its bytes merge into the token itself
	wholeNo
)

// word appends the tokens of one word.
func (e *encoder) word(w string) {
	index, ok := e.t.words[w]
	if !ok || int(index) >= len(e.t.whole) {
		e.merge(w)
		return
	}
	switch {
	case e.t.ignoreMerges, atomic.LoadUint32(&e.t.whole[index]) == wholeYes:
		e.out = append(e.out, index)
	default:
		e.learn(w, index)
	}
}

// learn merges a word that is a token of the vocabulary and remembers whether the
// result is that token. Every goroutine would store the same value.
func (e *encoder) learn(w string, index int32) {
	from := len(e.out)
	e.merge(w)
	state := wholeNo
	if len(e.out) == from+1 && e.out[from] == index {
		state = wholeYes
	}
	atomic.StoreUint32(&e.t.whole[index], state)
}

// A word of up to shortWord bytes is merged by looking through its pairs for the one
// that goes first, a longer one with a heap: n² and n·log n steps, same result.
const shortWord = 32

// merge appends the tokens of a word after its pairs have been joined in order of
// rank, leftmost first.
func (e *encoder) merge(w string) {
	if len(w) <= shortWord {
		e.mergeShort(w)
		return
	}
	e.mergeLong(w)
}

// none is the merge of pairs that have none; every other goes before it.
var none = merge{rank: math.MaxInt32, token: absent}

func (e *encoder) mergeShort(w string) {
	var pairs [shortWord]merge // pairs[i] is what tokens i and i+1 become
	from := len(e.out)
	e.spell(w)
	tokens := e.out[from:]
	for i := range len(tokens) - 1 {
		pairs[i] = e.pair(tokens[i], tokens[i+1])
	}
	for n := len(tokens) - 1; n > 0; n-- { // n pairs are left
		first := 0
		for i := 1; i < n; i++ {
			if pairs[i].rank < pairs[first].rank {
				first = i
			}
		}
		if pairs[first] == none {
			break
		}
		tokens[first] = pairs[first].token
		tokens = append(tokens[:first+1], tokens[first+2:]...)
		copy(pairs[first:n-1], pairs[first+1:n])
		if first > 0 {
			pairs[first-1] = e.pair(tokens[first-1], tokens[first])
		}
		if first+1 < len(tokens) {
			pairs[first] = e.pair(tokens[first], tokens[first+1])
		}
	}
	e.out = e.out[:from+len(tokens)]
}

func (e *encoder) pair(left, right int32) merge {
	if m, ok := e.t.merges.get(pair{left, right}); ok {
		return m
	}
	return none
}

// spell appends the one-byte tokens of a word.
func (e *encoder) spell(w string) {
	for i := range len(w) {
		token := e.t.alphabet[w[i]]
		if token == absent {
			if e.t.unknown == absent || e.t.fuseUnknown && i > 0 && e.t.alphabet[w[i-1]] == absent {
				continue
			}
			token = e.t.unknown
		}
		e.out = append(e.out, token)
	}
}

// part is a token of a word that is being merged, linked to its neighbours by
// position. A part that was joined to the one before it is absent.
type part struct{ token, prev, next int32 }

func (e *encoder) mergeLong(w string) {
	from := len(e.out)
	e.spell(w)
	e.link(e.out[from:])
	e.out = e.out[:from]
	for len(e.queue) > 0 {
		c := e.queue.pop()
		left := &e.parts[c.at]
		if left.token != c.pair.left || left.next == absent || e.parts[left.next].token != c.pair.right {
			continue // one of the two has been joined to another since
		}
		e.join(c.at, c.token)
	}
	for i := range e.parts {
		if token := e.parts[i].token; token != absent {
			e.out = append(e.out, token)
		}
	}
}

// link fills e.parts with tokens and e.queue with their pairs.
func (e *encoder) link(tokens []int32) {
	e.parts = slices.Grow(e.parts[:0], len(tokens))
	e.queue = slices.Grow(e.queue[:0], len(tokens))
	for i, token := range tokens {
		e.parts = append(e.parts, part{token: token, prev: int32(i - 1), next: int32(i + 1)})
	}
	if n := len(e.parts); n > 0 {
		e.parts[n-1].next = absent
	}
	for i := range e.parts {
		e.propose(int32(i))
	}
}

// join replaces the part at and the one after it by token.
func (e *encoder) join(at, token int32) {
	left := &e.parts[at]
	right := &e.parts[left.next]
	left.token, left.next = token, right.next
	right.token = absent
	if left.next != absent {
		e.parts[left.next].prev = at
		e.propose(at)
	}
	if left.prev != absent {
		e.propose(left.prev)
	}
}

// propose queues the pair that begins at the given symbol if it can be merged.
func (e *encoder) propose(at int32) {
	left := e.parts[at]
	if left.next == absent {
		return
	}
	p := pair{left.token, e.parts[left.next].token}
	if m, ok := e.t.merges.get(p); ok {
		e.queue.push(candidate{merge: m, at: at, pair: p})
	}
}

// candidate is a pair that was seen at a position. It is stale when the tokens there
// are no longer these.
type candidate struct {
	merge
	pair pair
	at   int32
}

func (c *candidate) before(d *candidate) bool {
	return c.rank < d.rank || c.rank == d.rank && c.at < d.at
}

// queue is a binary heap with the candidate that goes first at its top.
type queue []candidate

func (q *queue) push(c candidate) {
	*q = append(*q, c)
	h := *q
	i := len(h) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !c.before(&h[parent]) {
			break
		}
		h[i] = h[parent]
		i = parent
	}
	h[i] = c
}

func (q *queue) pop() candidate {
	h := *q
	top, last := h[0], h[len(h)-1]
	h = h[:len(h)-1]
	*q = h
	i := 0
	for {
		child := 2*i + 1
		if child >= len(h) {
			break
		}
		if child+1 < len(h) && h[child+1].before(&h[child]) {
			child++
		}
		if !h[child].before(&last) {
			break
		}
		h[i] = h[child]
		i = child
	}
	if len(h) > 0 {
		h[i] = last
	}
	return top
}
