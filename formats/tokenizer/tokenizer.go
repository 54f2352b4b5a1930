package tokenizer

import (
	"sync"
	"unicode/utf8"
)

// Tokenizer turns text into ids and back. It is safe for concurrent use.
type Tokenizer struct {
	vocabulary
	classes *classes

	alphabet     [256]int32 // byte → its token, or absent
	merges       mergeTable // by index
	ignoreMerges bool       // a word that is a token stays whole
	unknown      int32      // the token for a byte without one, or absent
	fuseUnknown  bool       // one unknown token for several such bytes in a row

	exact, normalized *matcher // added tokens, in the order in which they are looked for
	pre               preTokenizer
	template          template

	whole    []uint32  // atomic; for tokens of model.vocab: what learn found
	encoders sync.Pool // of *encoder
}

// encoder holds what one call of Encode works with.
type encoder struct {
	t     *Tokenizer
	out   []int32 // indices of the tokens so far
	parts []part
	queue queue
}

// maxKept bounds the memory, in elements, of the slices that an encoder keeps between
// calls.
const maxKept = 1 << 16

// Encode returns the ids of a text, with those that the post-processor adds to it.
// Text that is not UTF-8 is repaired first, see the package comment.
func (t *Tokenizer) Encode(text string) []int32 {
	if !utf8.ValidString(text) {
		text = string(repair([]byte(text)))
	}
	e := t.encoders.Get().(*encoder)
	e.out = e.out[:0]
	t.exact.cut(text, e.token, func(s string) {
		t.normalized.cut(s, e.token, func(s string) { e.pieces(s, t.pre.splits) })
	})
	for i, index := range e.out {
		e.out[i] = t.ids[index]
	}
	ids := t.template.around(e.out)
	if cap(e.out) <= maxKept && cap(e.parts) <= maxKept && cap(e.queue) <= maxKept {
		t.encoders.Put(e)
	}
	return ids
}

func (e *encoder) token(index int32) { e.out = append(e.out, index) }

// pieces cuts s by the first of splits, each piece by the next, and so on to words.
func (e *encoder) pieces(s string, splits []splitter) {
	if len(splits) == 0 {
		e.words(s)
		return
	}
	for len(s) > 0 {
		n := splits[0].next(s)
		e.pieces(s[:n], splits[1:])
		s = s[n:]
	}
}

// words is what the ByteLevel pre-tokenizer does to one piece.
func (e *encoder) words(s string) {
	if e.t.pre.prefixSpace && s[0] != ' ' {
		s = " " + s
	}
	if e.t.pre.words == nil {
		e.word(s)
		return
	}
	for len(s) > 0 {
		n := e.t.pre.words.next(s)
		e.word(s[:n])
		s = s[n:]
	}
}

// Decode returns the text of the given ids. Ids that the tokenizer does not have are
// left out, and special tokens too if skipSpecial is set. Bytes that are not UTF-8
// together become U+FFFD, also where a later id would have completed a character.
func (t *Tokenizer) Decode(ids []int32, skipSpecial bool) string {
	var text []byte
	for _, id := range ids {
		if index, ok := t.index[id]; ok && !(skipSpecial && t.special[index]) {
			text = append(text, t.texts[index]...)
		}
	}
	if !utf8.Valid(text) {
		text = repair(text)
	}
	return string(text)
}

// TokenID returns the id of a token by its name in tokenizer.json: an added token's
// content, or a vocabulary entry in the byte alphabet ("Ġthe").
func (t *Tokenizer) TokenID(content string) (int32, bool) {
	index, ok := t.lookup(content)
	if !ok {
		return 0, false
	}
	return t.ids[index], true
}

// VocabSize returns the number of tokens, added ones included. Ids may have gaps and
// reach beyond it.
func (t *Tokenizer) VocabSize() int { return len(t.ids) }
