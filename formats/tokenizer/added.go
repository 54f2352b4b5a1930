package tokenizer

import (
	"math"
	"unicode/utf8"

	"colakit/formats/tensor"
)

// addedToken is an entry of added_tokens. The file's id is not used: see the package
// comment.
type addedToken struct {
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	LStrip     bool   `json:"lstrip"`
	RStrip     bool   `json:"rstrip"`
	Normalized bool   `json:"normalized"`
	Special    bool   `json:"special"`
}

// readAdded gives the added tokens their ids and builds the two matchers.
func (t *Tokenizer) readAdded(f *file) error {
	added := map[int32]addedToken{}
	next := int64(t.base)
	for i, a := range f.AddedTokens {
		if a.Content == "" {
			continue
		}
		index, ok := t.lookup(a.Content)
		if !ok {
			if next > math.MaxInt32 {
				return tensor.Damagedf("added_tokens[%d]: no id is left for %q", i, a.Content)
			}
			if other, ok := t.index[int32(next)]; ok {
				return tensor.Damagedf("added_tokens[%d]: %q takes id %d, which model.vocab gives to %q", i, a.Content, next, t.texts[other])
			}
			index = t.append(a.Content, int32(next))
			next++
		}
		added[index] = a // a later entry for the same token replaces an earlier one
		t.special[index] = t.special[index] || a.Special
	}
	t.exact, t.normalized = newMatcher(t.classes), newMatcher(t.classes)
	for index, a := range added {
		if a.Normalized {
			t.normalized.add(index, a)
		} else {
			t.exact.add(index, a)
		}
	}
	return nil
}

// matcher finds added tokens in a text: a trie over the bytes of their contents.
type matcher struct {
	classes *classes
	first   [256]bool // bytes that a content begins with
	nodes   []trieNode
	tokens  map[int32]addedToken
}

type trieNode struct {
	token    int32 // the token that ends here, or absent
	children map[byte]int32
}

func newMatcher(c *classes) *matcher {
	return &matcher{classes: c, nodes: []trieNode{{token: absent}}, tokens: map[int32]addedToken{}}
}

func (m *matcher) add(index int32, a addedToken) {
	at := int32(0)
	for i := range len(a.Content) {
		next, ok := m.nodes[at].children[a.Content[i]]
		if !ok {
			next = int32(len(m.nodes))
			if m.nodes[at].children == nil {
				m.nodes[at].children = map[byte]int32{}
			}
			m.nodes[at].children[a.Content[i]] = next
			m.nodes = append(m.nodes, trieNode{token: absent})
		}
		at = next
	}
	m.nodes[at].token = index
	m.tokens[index] = a
	m.first[a.Content[0]] = true
}

// longest returns the longest token that s begins with, and its length; absent
// without one.
func (m *matcher) longest(s string) (token int32, length int) {
	token = absent
	at := int32(0)
	for i := range len(s) {
		next, ok := m.nodes[at].children[s[i]]
		if !ok {
			break
		}
		at = next
		if m.nodes[at].token != absent {
			token, length = m.nodes[at].token, i+1
		}
	}
	return token, length
}

// cut hands the parts of a text to one of two functions, in order: added tokens to
// token, what lies between them to rest, never empty.
//
// Matches are leftmost-longest and do not overlap; those that single_word rules out
// are passed over whole. What rstrip takes in is not part of its match: a token that
// begins with white space can be found there again, as in the library.
func (m *matcher) cut(s string, token func(int32), rest func(string)) {
	from := 0 // what lies before has been handed over
	for at := 0; at < len(s) && len(m.tokens) > 0; {
		if !m.first[s[at]] {
			at++
			continue
		}
		index, n := m.longest(s[at:])
		if index == absent {
			at++
			continue
		}
		start, stop := at, at+n
		at = stop
		a := m.tokens[index]
		if a.SingleWord && !m.alone(s, start, stop) {
			continue
		}
		if a.LStrip {
			start = max(from, m.spaceBefore(s, start, from))
		}
		if a.RStrip {
			stop += m.spaceAfter(s[stop:])
		}
		if start >= stop {
			continue // all of it went to the rstrip before
		}
		if from < start {
			rest(s[from:start])
		}
		token(index)
		from = stop
	}
	if from < len(s) {
		rest(s[from:])
	}
}

// alone reports whether no word character touches s[start:stop].
func (m *matcher) alone(s string, start, stop int) bool {
	if start > 0 {
		if r, _ := utf8.DecodeLastRuneInString(s[:start]); m.classes.of(r)&word != 0 {
			return false
		}
	}
	if stop < len(s) {
		if r, _ := utf8.DecodeRuneInString(s[stop:]); m.classes.of(r)&word != 0 {
			return false
		}
	}
	return true
}

// spaceBefore returns where the white space before byte start begins, looking back
// no further than byte from.
func (m *matcher) spaceBefore(s string, start, from int) int {
	for start > from {
		r, size := utf8.DecodeLastRuneInString(s[:start])
		if m.classes.of(r)&space == 0 {
			break
		}
		start -= size
	}
	return start
}

// spaceAfter returns the length of the white space that s begins with.
func (m *matcher) spaceAfter(s string) int {
	n := 0
	for n < len(s) {
		r, size := utf8.DecodeRuneInString(s[n:])
		if m.classes.of(r)&space == 0 {
			break
		}
		n += size
	}
	return n
}
