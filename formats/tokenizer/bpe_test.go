package tokenizer

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// randomMerges returns small.json with random merges over a, b and c.
func randomMerges(t *testing.T, r *rand.Rand) *Tokenizer {
	vocab := map[string]int{}
	for b := range 256 {
		vocab[string(byteChars[b])] = b
	}
	tokens := []string{"a", "b", "c"}
	var merges [][2]string
	for range 40 {
		left, right := tokens[r.IntN(len(tokens))], tokens[r.IntN(len(tokens))]
		merges = append(merges, [2]string{left, right})
		if _, ok := vocab[left+right]; !ok {
			vocab[left+right] = len(vocab)
			tokens = append(tokens, left+right)
		}
	}
	model := encode(t, map[string]any{"vocab": vocab, "merges": merges})
	return parse(t, patched(t, map[string]json.RawMessage{"model": model}))
}

// naive joins the pair of lowest rank, leftmost first, one at a time.
func naive(t *Tokenizer, word string) []int32 {
	var tokens []int32
	for i := range len(word) {
		tokens = append(tokens, t.alphabet[word[i]])
	}
	for {
		best, at := none, -1
		for i := range len(tokens) - 1 {
			if m, ok := t.merges.get(pair{tokens[i], tokens[i+1]}); ok && m.rank < best.rank {
				best, at = m, i
			}
		}
		if at < 0 {
			return tokens
		}
		tokens = slices.Replace(tokens, at, at+2, best.token)
	}
}

func TestShortAndLongWordsMergeAlike(t *testing.T) {
	const seed = 7
	r := rand.New(rand.NewPCG(seed, 0))
	for range 20 {
		tok := randomMerges(t, r)
		for range 100 {
			var word strings.Builder
			for range 1 + r.IntN(2*shortWord) {
				word.WriteByte("abc"[r.IntN(3)])
			}
			e := &encoder{t: tok}
			e.mergeLong(word.String())
			long := slices.Clone(e.out)
			e.out = e.out[:0]
			e.merge(word.String())
			want := naive(tok, word.String())
			if !slices.Equal(long, want) || !slices.Equal(e.out, want) {
				t.Fatalf("seed %d: %q merges into %v with a heap, %v by its length, want %v", seed, word.String(), long, e.out, want)
			}
		}
	}
}

func TestMergeTable(t *testing.T) {
	const n = 1000
	table := newMergeTable(n)
	for i := range int32(n) {
		table.put(pair{i % 7, i}, merge{i, i + 1})
	}
	table.put(pair{0, 0}, merge{5, 6}) // a later merge of the same pair replaces it
	for i := range int32(n) {
		want := merge{i, i + 1}
		if i == 0 {
			want = merge{5, 6}
		}
		if got, ok := table.get(pair{i % 7, i}); !ok || got != want {
			t.Errorf("pair (%d, %d) gives %v, %t, want %v", i%7, i, got, ok, want)
		}
		if got, ok := table.get(pair{i%7 + 1, i}); ok {
			t.Errorf("pair (%d, %d) gives %v, want none", i%7+1, i, got)
		}
	}
}
