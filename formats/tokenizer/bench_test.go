package tokenizer

import (
	"os"
	"strings"
	"testing"
)

func BenchmarkEncode(b *testing.B) {
	english, err := os.ReadFile("../../LICENSE")
	if err != nil {
		b.Fatal(err)
	}
	tok := parse(b, cl100kFile(b))
	for _, text := range []struct{ name, text string }{
		{"english", string(english)},
		{"russian", strings.Repeat("Съешь же ещё этих мягких французских булок, да выпей чаю. ", 500)},
		{"one word of 1 MiB", strings.Repeat("abcdefgh", 1<<17)},
		{"1 MiB of spaces", strings.Repeat(" ", 1<<20)},
	} {
		b.Run(text.name, func(b *testing.B) {
			b.SetBytes(int64(len(text.text)))
			for b.Loop() {
				tok.Encode(text.text)
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	english, err := os.ReadFile("../../LICENSE")
	if err != nil {
		b.Fatal(err)
	}
	tok := parse(b, cl100kFile(b))
	ids := tok.Encode(string(english))
	b.SetBytes(int64(len(english)))
	for b.Loop() {
		tok.Decode(ids, false)
	}
}

func BenchmarkParse(b *testing.B) {
	raw := cl100kFile(b)
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		parse(b, raw)
	}
}
