package main

import (
	"errors"
	"strings"
	"testing"

	"colakit/reference/generate"
)

// decodeBytes takes an id for a byte; 256 is a special token, U+FFFD stands for
// bytes that are not UTF-8.
func decodeBytes(ids []int32, skipSpecial bool) string {
	var text strings.Builder
	for _, id := range ids {
		switch {
		case id < 256:
			text.WriteByte(byte(id))
		case !skipSpecial:
			text.WriteString("<s>")
		}
	}
	return strings.ToValidUTF8(text.String(), "\ufffd")
}

func bytesOf(text string) []int32 {
	var ids []int32
	for i := range len(text) {
		ids = append(ids, int32(text[i]))
	}
	return ids
}

func TestTextWriter(t *testing.T) {
	const end = 'E'
	for _, c := range []struct {
		reason  string
		blocks  [][]int32
		trim    int
		special bool
		want    []string // what stands there after each block, and after close
		stops   bool     // the last block ends the text
	}{
		{"block by block", [][]int32{bytesOf("ab"), bytesOf("cd")}, 0, false, []string{"ab", "abcd", "abcd\n"}, false},
		{"the prompt's part is left out", [][]int32{bytesOf("abcd"), bytesOf("ef")}, 3, false, []string{"d", "def", "def\n"}, false},
		{"a character split between blocks", [][]int32{bytesOf("a\xe2\x82"), bytesOf("\xacb")}, 0, false, []string{"a", "a€b", "a€b\n"}, false},
		{"bytes that never become one", [][]int32{bytesOf("a\xe2")}, 0, false, []string{"a", "a\ufffd\n"}, false},
		{"cut at the end", [][]int32{bytesOf("abEc")}, 0, false, []string{"ab", "ab\n"}, true},
		{"no end in the prompt's part", [][]int32{bytesOf("EEab")}, 2, false, []string{"ab", "ab\n"}, false},
		{"special tokens are left out", [][]int32{{'a', 256, 'b'}}, 0, false, []string{"ab", "ab\n"}, false},
		{"everything is kept", [][]int32{{'a', 256, end, 'b'}}, 0, true, []string{"a<s>Eb", "a<s>Eb\n"}, false},
	} {
		var out strings.Builder
		w := &textWriter{out: &out, decode: decodeBytes, special: c.special, ends: []int32{end}, trim: c.trim}
		for i, ids := range c.blocks {
			last := i == len(c.blocks)-1
			if err := w.block(ids); errors.Is(err, generate.ErrStop) != (c.stops && last) {
				t.Errorf("%s: block %d: error %v", c.reason, i, err)
			}
			if out.String() != c.want[i] {
				t.Errorf("%s: %q after block %d, want %q", c.reason, out.String(), i, c.want[i])
			}
		}
		if err := w.close(); err != nil || out.String() != c.want[len(c.blocks)] {
			t.Errorf("%s: %q at the end, %v; want %q", c.reason, out.String(), err, c.want[len(c.blocks)])
		}
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestTextWriterError(t *testing.T) {
	w := &textWriter{out: full{}, decode: decodeBytes}
	if err := w.block(bytesOf("a")); err == nil || errors.Is(err, generate.ErrStop) {
		t.Errorf("error %v", err)
	}
}
