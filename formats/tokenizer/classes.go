package tokenizer

import "sync"

// class is a set of the character classes that split patterns and added tokens ask for.
type class uint8

const (
	letter class = 1 << iota // \p{L}
	number                   // \p{N}
	space                    // \s
	word                     // \w

	symbol class = 0 // in a test against wordLike: none of letter, number, space
)

// wordLike masks the classes that split patterns tell apart.
const wordLike = letter | number | space

type classRange struct {
	first, last rune
	class       class
}

// classes maps a code point to its class in two steps; pages without any are nil.
type classes [0x110000 >> 8]*[256]class

var unicodeClasses = sync.OnceValue(func() *classes {
	var t classes
	for _, r := range classRanges {
		for c := r.first; c <= r.last; c++ {
			page := &t[c>>8]
			if *page == nil {
				*page = new([256]class)
			}
			(*page)[byte(c)] = r.class
		}
	}
	return &t
})

func (t *classes) of(r rune) class {
	if page := t[r>>8]; page != nil {
		return page[byte(r)]
	}
	return 0
}
