package tokenizer

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"colakit/formats/tensor"
)

// Parse ends with a tokenizer that works or with one of its two kinds of error.
func FuzzParse(f *testing.F) {
	whole := string(readFile(f, "small.json"))
	for _, seed := range []string{
		whole, "", "null", "{}", `{"model":{}}`, `{"model":{"vocab":{"a":0},"merges":[]}}`,
		strings.Replace(whole, `"normalizer":null`, `"normalizer":{"type":"NFC"}`, 1),
		strings.Replace(whole, `"post_processor":null`, `"post_processor":{"type":"TemplateProcessing","single":[{"Sequence":{"id":"A"}}]}`, 1),
		strings.Replace(whole, `"lstrip":false`, `"lstrip":true`, 1),
		strings.Replace(whole, `"h e"`, `["h","e"]`, 1),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		tok, err := Parse(raw)
		if err != nil {
			if !errors.Is(err, tensor.ErrDamaged) && !errors.Is(err, ErrUnsupported) {
				t.Errorf("error of neither kind: %v", err)
			}
			return
		}
		tok.Decode(tok.Encode("hello  world's 123 \n<|endoftext|> é"), false)
	})
}

// Text comes back from its ids as it was, and what is not UTF-8 repaired.
func FuzzRoundTrip(f *testing.F) {
	for _, seed := range []string{"", "hello  world", "it'S 12345 \r\n\n x", "<|endoftext|><|pad", "日本語\u2028\u0085e\u0301👩‍👩‍👧", "a\xf0\x9fb\xff"} {
		f.Add(seed)
	}
	tok := small(f)
	f.Fuzz(func(t *testing.T, text string) {
		want := text
		if !utf8.ValidString(text) {
			want = string(repair([]byte(text)))
		}
		if got := tok.Decode(tok.Encode(text), false); got != want {
			t.Errorf("%q comes back as %q, want %q", text, got, want)
		}
	})
}
