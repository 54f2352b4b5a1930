package tokenizer

import "unicode/utf8"

// The byte-level alphabet writes each byte as one printable character: printable
// Latin-1 stands for itself, the other 68 bytes are U+0100 onwards in order.

// byteChars maps a byte to its character.
var byteChars = func() (chars [256]rune) {
	next := rune(256)
	for b := range chars {
		if b >= '!' && b <= '~' || b >= 0xa1 && b <= 0xac || b >= 0xae {
			chars[b] = rune(b)
			continue
		}
		chars[b] = next
		next++
	}
	return chars
}()

// charBytes maps a character of the alphabet to its byte plus one, others to 0.
var charBytes = func() (bytes [256 + 68]uint16) {
	for b, r := range byteChars {
		bytes[r] = uint16(b) + 1
	}
	return bytes
}()

// appendToken appends the bytes that a token of the vocabulary stands for to dst. ok
// is false when it has a character outside the alphabet: it then stands for itself.
func appendToken(dst []byte, token string) (text []byte, ok bool) {
	for _, r := range token {
		if r >= rune(len(charBytes)) || charBytes[r] == 0 {
			return nil, false
		}
		dst = append(dst, byte(charBytes[r]-1))
	}
	return dst, true
}

// tokenText is appendToken to a string that shares the token's memory where it can.
func tokenText(token string) (text string, ok bool) {
	var buffer [64]byte
	b, ok := appendToken(buffer[:0], token)
	if !ok || string(b) == token {
		return token, ok
	}
	return string(b), true
}

// repair replaces every maximal part of an ill-formed UTF-8 sequence by U+FFFD: the
// longest start of a well-formed sequence, or else a single byte.
func repair(text []byte) []byte {
	out := make([]byte, 0, len(text)+16)
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if r != utf8.RuneError || n > 1 {
			out = append(out, text[:n]...)
		} else {
			n = malformed(text)
			out = append(out, "\uFFFD"...)
		}
		text = text[n:]
	}
	return out
}

// malformed returns how many bytes of the ill-formed sequence at the start of text
// one U+FFFD replaces.
func malformed(text []byte) int {
	low, high, want := byte(0x80), byte(0xbf), 0
	switch b := text[0]; {
	case b >= 0xc2 && b <= 0xdf:
		want = 2
	case b >= 0xe0 && b <= 0xef:
		want = 3
		if b == 0xe0 {
			low = 0xa0 // below: overlong
		} else if b == 0xed {
			high = 0x9f // above: surrogates
		}
	case b >= 0xf0 && b <= 0xf4:
		want = 4
		if b == 0xf0 {
			low = 0x90 // below: overlong
		} else if b == 0xf4 {
			high = 0x8f // above: past U+10FFFF
		}
	}
	n := 1
	for n < want && n < len(text) && text[n] >= low && text[n] <= high {
		low, high = 0x80, 0xbf
		n++
	}
	return n
}
