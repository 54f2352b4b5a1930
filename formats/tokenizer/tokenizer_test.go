package tokenizer

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestSameAsLibrary(t *testing.T) {
	for _, v := range readCases(t).Variants {
		t.Run(v.Name, func(t *testing.T) { compare(t, parse(t, patched(t, v.Patch)), v.results) })
	}
}

func TestSameAsLibraryCL100K(t *testing.T) {
	compare(t, parse(t, cl100kFile(t)), readCases(t).CL100K)
}

func compare(t *testing.T, tok *Tokenizer, want results) {
	t.Helper()
	if len(want.Encode) < 40 || len(want.Decode) < 10 {
		t.Fatalf("only %d texts and %d lists of ids in cases.json", len(want.Encode), len(want.Decode))
	}
	if tok.VocabSize() != want.Size {
		t.Errorf("VocabSize() = %d, want %d", tok.VocabSize(), want.Size)
	}
	for content, id := range want.Added {
		if got, ok := tok.TokenID(content); !ok || got != id {
			t.Errorf("TokenID(%q) = %d, %t, want %d", content, got, ok, id)
		}
	}
	for _, c := range want.Encode {
		for range 2 { // the second time with what the first has learnt
			if diff := cmp.Diff(c.IDs, tok.Encode(c.Text)); diff != "" {
				t.Errorf("Encode(%q): -want +got\n%s", c.Text, diff)
			}
		}
	}
	for _, c := range want.Decode {
		if diff := cmp.Diff(c.Text, tok.Decode(c.IDs, c.Skip)); diff != "" {
			t.Errorf("Decode(%v, %t): -want +got\n%s", c.IDs, c.Skip, diff)
		}
	}
}

// Letters, numbers and spaces are those of the library's Unicode version.
func TestEveryCodePoint(t *testing.T) {
	tok := small(t)
	digest := sha256.New()
	var buffer []byte
	for first := rune(0); first < utf8.MaxRune; first += 0x1000 {
		var text strings.Builder
		for c := first; c < first+0x1000; c++ {
			if utf8.ValidRune(c) {
				text.WriteString("a" + string(c) + "1 '" + string(c))
			}
		}
		buffer = buffer[:0]
		for _, id := range tok.Encode(text.String()) {
			buffer = binary.LittleEndian.AppendUint32(buffer, uint32(id))
		}
		digest.Write(buffer)
	}
	if got, want := hex.EncodeToString(digest.Sum(nil)), readCases(t).EveryCodePoint; got != want {
		t.Errorf("sha256 of the ids is %s, the library's %s", got, want)
	}
}

// Splitting and merging take n·log n steps at most: these would not end otherwise.
func TestLongTexts(t *testing.T) {
	const n = 1 << 18
	tok := small(t)
	for _, unit := range []string{"a", "hello", "é", " ", "\n", " \n", "1", "'", "' ", "日本語", "<|", "<|endoftext|", "\xff", "a "} {
		text := strings.Repeat(unit, n/len(unit)) + "x"
		got := tok.Decode(tok.Encode(text), false)
		if want := strings.ToValidUTF8(text, ""); strings.ReplaceAll(got, "\uFFFD", "") != want {
			t.Errorf("%d times %q do not come back", n/len(unit), unit)
		}
	}
}

func TestInvalidTextIsRepaired(t *testing.T) {
	tok := small(t)
	got := tok.Encode("a\xffb\xe3\x81\xf0\x9f\x98z")
	if want := tok.Encode("a\uFFFDb\uFFFD\uFFFDz"); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestDecode(t *testing.T) {
	tok := small(t)
	ids := tok.Encode("日<|endoftext|>")
	for _, tt := range []struct {
		ids  []int32
		skip bool
		want string
	}{
		{ids, false, "日<|endoftext|>"},
		{ids, true, "日"},
		{ids[:2], false, "\uFFFD"},
		{[]int32{ids[0], 12345, -1, ids[1], ids[2]}, false, "日"},
		{nil, false, ""},
	} {
		if got := tok.Decode(tt.ids, tt.skip); got != tt.want {
			t.Errorf("Decode(%v, %t) = %q, want %q", tt.ids, tt.skip, got, tt.want)
		}
	}
}

func TestTokenID(t *testing.T) {
	tok := small(t)
	for content, want := range map[string]int32{"Ġworld": 264, "Ċ": 10, "<|endoftext|>": 272} {
		if got, ok := tok.TokenID(content); !ok || got != want {
			t.Errorf("TokenID(%q) = %d, %t, want %d", content, got, ok, want)
		}
	}
	for _, content := range []string{"", " world", "nothing"} {
		if got, ok := tok.TokenID(content); ok {
			t.Errorf("TokenID(%q) = %d, want none", content, got)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	tok := small(t)
	const text = "hello world, hello  world's 123 é"
	want := small(t).Encode(text)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				if got := tok.Encode(text); !slices.Equal(got, want) {
					t.Errorf("got %v, want %v", got, want)
					return
				}
			}
		})
	}
	wg.Wait()
}
