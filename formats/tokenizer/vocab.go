package tokenizer

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"colakit/formats/tensor"
)

// vocabulary holds the tokens of the model and the added ones. Inside the package a
// token is its index here; ids are what the file calls it.
type vocabulary struct {
	ids     []int32          // by index
	texts   []string         // by index: the bytes the token decodes to
	special []bool           // by index
	index   map[int32]int32  // id → index
	words   map[string]int32 // bytes → index, for tokens written in the byte alphabet
	others  map[string]int32 // token → index, for those that are not
	base    int              // how many tokens model.vocab holds
}

// readVocabulary reads model.vocab: {"token": id, …}.
func (t *Tokenizer) readVocabulary(f *file) error {
	tokens, ids, err := vocabularyEntries(f.Model.Vocab)
	if err != nil {
		return err
	}
	v := &t.vocabulary
	v.ids = make([]int32, 0, len(ids)+len(f.AddedTokens))
	v.texts = make([]string, 0, cap(v.ids))
	v.special = make([]bool, 0, cap(v.ids))
	v.index = make(map[int32]int32, cap(v.ids))
	v.words = make(map[string]int32, cap(v.ids))
	v.others = map[string]int32{}
	for i, token := range tokens {
		if err := v.add(token, ids[i]); err != nil {
			return err
		}
	}
	v.base = len(v.ids)
	return t.readAlphabet(f.Model)
}

// vocabularyEntries returns the tokens and ids of model.vocab in file order.
func vocabularyEntries(raw json.RawMessage) (tokens []string, ids []int32, err error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, nil, tensor.Damagedf("model.vocab is missing or not an object of token: id")
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, nil, tensor.Damagedf("model.vocab: %w", err)
		}
		value, err := d.Token()
		if err != nil {
			return nil, nil, tensor.Damagedf("model.vocab: the id of %q: %w", name, err)
		}
		number, _ := value.(json.Number)
		id, err := strconv.ParseInt(number.String(), 10, 32)
		if err != nil || id < 0 {
			return nil, nil, tensor.Damagedf("model.vocab: the id of %q is %v, wanted a number from 0 to %d", name, value, math.MaxInt32)
		}
		tokens, ids = append(tokens, name.(string)), append(ids, int32(id))
	}
	return tokens, ids, nil
}

func (v *vocabulary) add(token string, id int32) error {
	if other, ok := v.index[id]; ok {
		return tensor.Damagedf("model.vocab: %q and %q both have id %d", v.texts[other], token, id)
	}
	before := len(v.words) + len(v.others)
	v.append(token, id)
	if len(v.words)+len(v.others) == before {
		return tensor.Damagedf("model.vocab: %q is there twice", token)
	}
	return nil
}

// append adds a token and returns its index.
func (v *vocabulary) append(token string, id int32) int32 {
	index := int32(len(v.ids))
	text, ok := tokenText(token)
	if ok {
		v.words[text] = index
	} else {
		v.others[token] = index
	}
	v.ids = append(v.ids, id)
	v.texts = append(v.texts, text)
	v.special = append(v.special, false)
	v.index[id] = index
	return index
}

// lookup finds a token by what the file calls it.
func (v *vocabulary) lookup(token string) (index int32, ok bool) {
	var buffer [64]byte
	if text, ok := appendToken(buffer[:0], token); ok {
		index, ok = v.words[string(text)]
		return index, ok
	}
	index, ok = v.others[token]
	return index, ok
}

// readAlphabet finds the tokens that a word starts from. A byte without a token
// becomes the unknown token, or is dropped where there is none.
func (t *Tokenizer) readAlphabet(m *model) error {
	t.unknown, t.fuseUnknown = absent, m.FuseUnk
	for b := range t.alphabet {
		index, ok := t.words[string([]byte{byte(b)})]
		if !ok {
			index = absent
			if m.ByteFallback {
				return unsupported("model.byte_fallback is true and model.vocab has no token for byte 0x%02x", b)
			}
			if err := t.readUnknown(m); err != nil {
				return err
			}
		}
		t.alphabet[b] = index
	}
	return nil
}

func (t *Tokenizer) readUnknown(m *model) error {
	if m.UnkToken == nil {
		return nil
	}
	index, ok := t.lookup(*m.UnkToken)
	if !ok {
		return tensor.Damagedf("model.unk_token is %q, which model.vocab does not hold", *m.UnkToken)
	}
	t.unknown = index
	return nil
}

// readMerges reads model.merges: ["a b", …] or [["a","b"], …], earliest first.
func (t *Tokenizer) readMerges(f *file) error {
	t.ignoreMerges = f.Model.IgnoreMerges
	pairs, err := mergePairs(f.Model.Merges)
	if err != nil {
		return err
	}
	t.merges = newMergeTable(len(pairs))
	for rank, p := range pairs {
		left, right := p[0], p[1]
		var index [3]int32
		for i, token := range [...]string{left, right, left + right} {
			var ok bool
			if index[i], ok = t.lookup(token); !ok {
				return tensor.Damagedf("model.merges[%d] joins %q and %q: model.vocab does not hold %q", rank, left, right, token)
			}
		}
		t.merges.put(pair{index[0], index[1]}, merge{rank: int32(rank), token: index[2]})
	}
	t.whole = make([]uint32, len(t.ids))
	return nil
}

func mergePairs(raw json.RawMessage) ([][]string, error) {
	if !isSet(raw) {
		return nil, tensor.Damagedf("model.merges is missing")
	}
	if first := bytes.TrimLeft(raw[1:], " \t\r\n"); len(first) > 0 && first[0] == '"' {
		return spacedPairs(raw)
	}
	var pairs [][]string
	if err := json.Unmarshal(raw, &pairs); err != nil {
		return nil, tensor.Damagedf("model.merges: %w", err)
	}
	for i, p := range pairs {
		if len(p) != 2 {
			return nil, tensor.Damagedf("model.merges[%d] has %d parts, wanted 2", i, len(p))
		}
	}
	return pairs, nil
}

// spacedPairs reads the older notation, two tokens with a space between.
func spacedPairs(raw json.RawMessage) ([][]string, error) {
	var lines []string
	if err := json.Unmarshal(raw, &lines); err != nil {
		return nil, tensor.Damagedf("model.merges: %w", err)
	}
	pairs := make([][]string, 0, len(lines))
	for i, line := range lines {
		if strings.HasPrefix(line, "#version") {
			continue
		}
		p := strings.Split(line, " ")
		if len(p) != 2 {
			return nil, tensor.Damagedf("model.merges[%d] is %q, wanted two tokens with one space between", i, line)
		}
		pairs = append(pairs, p)
	}
	return pairs, nil
}
