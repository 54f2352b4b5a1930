package tokenizer

import (
	"encoding/json"
	"slices"

	"colakit/formats/tensor"
)

// Token is an entry of the vocabulary, as other formats list it.
type Token struct {
	ID      int32
	Name    string // as in tokenizer.json: in the byte alphabet ("Ġthe"), or an added token's content
	Added   bool   // found in a text as a whole, before anything is cut
	Special bool   // left out of decoded text
}

// Tokens lists all tokens, by id.
func (t *Tokenizer) Tokens() []Token {
	tokens := make([]Token, len(t.ids))
	for i, id := range t.ids {
		_, exact := t.exact.tokens[int32(i)]
		_, normalized := t.normalized.tokens[int32(i)]
		tokens[i] = Token{ID: id, Special: t.special[i], Added: exact || normalized}
	}
	for text, i := range t.words {
		tokens[i].Name = alphabetName(text)
	}
	for name, i := range t.others {
		tokens[i].Name = name
	}
	slices.SortFunc(tokens, func(a, b Token) int { return int(a.ID) - int(b.ID) })
	return tokens
}

// alphabetName writes bytes in the byte alphabet.
func alphabetName(text string) string {
	name := make([]rune, len(text))
	for i := range len(text) {
		name[i] = byteChars[text[i]]
	}
	return string(name)
}

// Merges returns the pairs of tokens that the tokenizer.json raw joins, earliest
// first. Parse says whether the file is sound.
func Merges(raw []byte) ([][]string, error) {
	var f struct {
		Model struct {
			Merges json.RawMessage `json:"merges"`
		} `json:"model"`
	}
	if err := json.Unmarshal(raw, &f); err != nil {
		return nil, tensor.Damagedf("%s", describe(err))
	}
	return mergePairs(f.Model.Merges)
}

// Pattern names what cuts a text into words.
type Pattern struct {
	Family string // "gpt2" or "cl100k"
	Digits int    // of "cl100k": the most digits that stay together
}

// Pattern returns the one pattern that cuts texts into words, and false where
// there are none or several, or where words get a space put before them.
func (t *Tokenizer) Pattern() (Pattern, bool) {
	splits := slices.Clone(t.pre.splits)
	if t.pre.words != nil {
		splits = append(splits, t.pre.words)
	}
	if len(splits) != 1 || t.pre.prefixSpace {
		return Pattern{}, false
	}
	switch p := splits[0].(type) {
	case gpt2:
		return Pattern{Family: "gpt2"}, true
	case cl100k:
		return Pattern{Family: "cl100k", Digits: p.digits}, true
	}
	return Pattern{}, false
}
