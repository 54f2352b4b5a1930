package tokenizer

import "unicode/utf8"

// A splitter returns the length in bytes of the first piece of a text that is not
// empty. The pieces of the known patterns cover any text.
type splitter interface {
	next(s string) int
}

// cl100k is the pattern family of cl100k_base, OLMo 2, Llama 3 and Qwen 2:
//
//	(?i:'s|'t|'re|'ve|'m|'ll|'d) | [^\r\n\p{L}\p{N}]?\p{L}+ | \p{N}{1,digits}
//	| ?[^\s\p{L}\p{N}]+[\r\n]* | \s*[\r\n]+ | \s+(?!\S) | \s+
type cl100k struct {
	classes *classes
	digits  int
}

func (p cl100k) next(s string) int {
	r, size := utf8.DecodeRuneInString(s)
	if r == '\'' {
		if n := foldedContraction(s); n > 0 {
			return n
		}
	}
	switch p.classes.of(r) & wordLike {
	case letter:
		return run(p.classes, s, size, letter)
	case number:
		return p.number(s, size)
	}
	if r != '\r' && r != '\n' {
		if n := run(p.classes, s, size, letter); n > size {
			return n
		}
	}
	if n := optionalSpace(p.classes, s, symbol); n > 0 {
		return newlines(s, n)
	}
	return blank(p.classes, s, true)
}

// number matches \p{N}{1,digits} where the first size bytes are its first character.
func (p cl100k) number(s string, size int) int {
	n := size
	for range p.digits - 1 {
		r, size := utf8.DecodeRuneInString(s[n:])
		if size == 0 || p.classes.of(r)&number == 0 {
			break
		}
		n += size
	}
	return n
}

// gpt2 is GPT-2's pattern, the one ByteLevel applies by itself:
//
//	's|'t|'re|'ve|'m|'ll|'d | ?\p{L}+ | ?\p{N}+ | ?[^\s\p{L}\p{N}]+ | \s+(?!\S) | \s+
type gpt2 struct{ classes *classes }

func (p gpt2) next(s string) int {
	if s[0] == '\'' {
		if n := contraction(s); n > 0 {
			return n
		}
	}
	for _, c := range [...]class{letter, number, symbol} {
		if n := optionalSpace(p.classes, s, c); n > 0 {
			return n
		}
	}
	return blank(p.classes, s, false)
}

// run returns the end of the characters of class c that begin at byte from.
func run(t *classes, s string, from int, c class) int {
	ascii := t[0]
	for i := from; i < len(s); {
		if b := s[i]; b < utf8.RuneSelf {
			if ascii[b]&wordLike != c {
				return i
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if t.of(r)&wordLike != c {
			return i
		}
		i += size
	}
	return len(s)
}

// optionalSpace matches a run of class c with or without one U+0020 before it; 0 is
// no match.
func optionalSpace(t *classes, s string, c class) int {
	from := 0
	if s[0] == ' ' {
		from = 1
	}
	if n := run(t, s, from, c); n > from {
		return n
	}
	return 0
}

// newlines returns the end of the [\r\n]* that begins at byte n.
func newlines(s string, n int) int {
	for n < len(s) && (s[n] == '\r' || s[n] == '\n') {
		n++
	}
	return n
}

// blank matches white space at the start of s: with breaks up to the last line
// break, if there is one (\s*[\r\n]+); else all of it but its last character when
// more text and more than that character are there (\s+(?!\S)); else all of it.
func blank(t *classes, s string, breaks bool) int {
	end, last, line := 0, 0, 0
	for end < len(s) {
		r, size := utf8.DecodeRuneInString(s[end:])
		if t.of(r)&space == 0 {
			break
		}
		last = end
		end += size
		if r == '\r' || r == '\n' {
			line = end
		}
	}
	switch {
	case breaks && line > 0:
		return line
	case end < len(s) && last > 0:
		return last
	}
	return end
}

// contraction matches 's|'t|'re|'ve|'m|'ll|'d where s begins with the apostrophe; 0
// is no match.
func contraction(s string) int {
	if len(s) < 2 {
		return 0
	}
	switch s[1] {
	case 's', 't', 'm', 'd':
		return 2
	}
	if len(s) >= 3 {
		switch s[1:3] {
		case "re", "ve", "ll":
			return 3
		}
	}
	return 0
}

// foldedContraction is contraction in any case. The long s, U+017F, folds to s.
func foldedContraction(s string) int {
	const longS = "ſ"
	if len(s) > len(longS) && s[1:1+len(longS)] == longS {
		return 1 + len(longS)
	}
	folded := [3]byte{'\''}
	n := 1 + copy(folded[1:], s[1:])
	for i := 1; i < n; i++ {
		if c := folded[i]; c >= 'A' && c <= 'Z' {
			folded[i] = c + ('a' - 'A')
		}
	}
	return contraction(string(folded[:n]))
}
