package tokenizer

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSplit(t *testing.T) {
	c := unicodeClasses()
	olmo, qwen, plain := cl100k{c, 3}, cl100k{c, 1}, gpt2{c}
	for _, tt := range []struct {
		why  string
		by   splitter
		text string
		want []string
	}{
		{"contractions in any case", olmo, "it'S we'LLs 'Tx", []string{"it", "'S", " we", "'LL", "s", " '", "Tx"}},
		{"long s folds to s", olmo, "a'ſb", []string{"a", "'ſ", "b"}},
		{"Kelvin sign is a letter only", olmo, "a'\u212a", []string{"a", "'\u212a"}},
		{"lower case only", plain, "it's IT'S", []string{"it", "'s", " IT", "'", "S"}},
		{"contraction before a word", olmo, "'slow", []string{"'s", "low"}},
		{"any one character leads a word", olmo, "\u0085a\u0301b", []string{"\u0085a", "\u0301b"}},
		{"line breaks and numbers lead no word", olmo, "\na1b", []string{"\n", "a", "1", "b"}},
		{"numbers by three", olmo, " 12345", []string{" ", "123", "45"}},
		{"numbers one by one", qwen, "½²3", []string{"½", "²", "3"}},
		{"a space leads numbers", plain, " 12345  6", []string{" 12345", " ", " 6"}},
		{"symbols take line breaks", olmo, " ...\r\n\n x", []string{" ...\r\n\n", " x"}},
		{"symbols do not", plain, " ...\n", []string{" ...", "\n"}},
		{"space up to the last line break", olmo, "a \n\t\r  b", []string{"a", " \n\t\r", " ", " b"}},
		{"all but the last space", olmo, "a   b", []string{"a", "  ", " b"}},
		{"one space before a number", olmo, "a 1", []string{"a", " ", "1"}},
		{"all at the end", olmo, "a   ", []string{"a", "   "}},
		{"no line break rule", plain, "a \n b", []string{"a", " \n", " b"}},
		{"wide spaces", olmo, "a\u2003\u3000b", []string{"a", "\u2003", "\u3000b"}},
		{"not spaces", olmo, "\u200b\u180e", []string{"\u200b\u180e"}},
		{"letters of Unicode 16", olmo, "a\u1c89", []string{"a\u1c89"}},
	} {
		var got []string
		for s := tt.text; s != ""; {
			n := tt.by.next(s)
			got = append(got, s[:n])
			s = s[n:]
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %q: -want +got\n%s", tt.why, tt.text, diff)
		}
	}
}
