package export

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"colakit/formats/gguf"
	"colakit/formats/hf"
	"colakit/formats/tokenizer"
)

// The kinds of tokens in tokenizer.ggml.token_type (llama_token_type in llama.h).
const (
	normalToken      int32 = 1
	controlToken     int32 = 3
	userDefinedToken int32 = 4
	unusedToken      int32 = 5
)

// maxVocabulary bounds the ids that are listed one by one.
const maxVocabulary = 1 << 24

// ggufVocabulary returns the tokenizer in GGUF's convention, and tokenizer.json
// verbatim. Ids without a token, up to the model's vocabulary, are padding.
func ggufVocabulary(m *model) (gguf.Metadata, []string, error) {
	raw := m.meta.Tokenizer
	if raw == nil {
		return nil, []string{"no tokenizer: the artifact has none"}, nil
	}
	t, err := tokenizer.Parse(raw)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: tokenizer.json: %w", m.File.Name(), err)
	}
	names, kinds, err := vocabularyLists(t, m.config.VAE.VocabSize)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", m.File.Name(), err)
	}
	merges, err := mergeList(raw)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", m.File.Name(), err)
	}
	md := gguf.Metadata{{Key: "tokenizer.ggml.model", Value: "gpt2"}}
	var notes []string
	if pre, ok := preTokenizer(t); ok {
		md = append(md, gguf.KeyValue{Key: "tokenizer.ggml.pre", Value: pre})
	} else {
		notes = append(notes, "no tokenizer.ggml.pre: llama.cpp has no name for the way this tokenizer cuts words")
	}
	md = append(md,
		gguf.KeyValue{Key: "tokenizer.ggml.tokens", Value: names},
		gguf.KeyValue{Key: "tokenizer.ggml.token_type", Value: kinds},
		gguf.KeyValue{Key: "tokenizer.ggml.merges", Value: merges},
	)
	md = append(md, specialTokens(m, t)...)
	if len(t.Encode("")) == 0 {
		md = append(md,
			gguf.KeyValue{Key: "tokenizer.ggml.add_bos_token", Value: false},
			gguf.KeyValue{Key: "tokenizer.ggml.add_eos_token", Value: false})
	} else {
		notes = append(notes, "no tokenizer.ggml.add_bos_token and add_eos_token: this tokenizer's template adds tokens of its own")
	}
	return append(md, gguf.KeyValue{Key: "tokenizer.huggingface.json", Value: string(raw)}), notes, nil
}

// vocabularyLists returns the name and the kind of every id from 0 on.
func vocabularyLists(t *tokenizer.Tokenizer, vocabulary int) (names []string, kinds []int32, err error) {
	tokens := t.Tokens()
	n := vocabulary
	if len(tokens) > 0 {
		n = max(n, int(tokens[len(tokens)-1].ID)+1)
	}
	if n > maxVocabulary {
		return nil, nil, fmt.Errorf("token ids reach %d; GGUF lists every id, at most %d are written", n-1, maxVocabulary)
	}
	names, kinds = make([]string, n), make([]int32, n)
	for i := range names {
		names[i], kinds[i] = "[PAD"+strconv.Itoa(i)+"]", unusedToken
	}
	for _, t := range tokens {
		names[t.ID], kinds[t.ID] = t.Name, kindOf(t)
	}
	return names, kinds, nil
}

func kindOf(t tokenizer.Token) int32 {
	switch {
	case t.Special:
		return controlToken
	case t.Added:
		return userDefinedToken
	}
	return normalToken
}

// mergeList returns the merges as "left right". A space within a token is written
// as the byte alphabet has it.
func mergeList(raw []byte) ([]string, error) {
	pairs, err := tokenizer.Merges(raw)
	if err != nil {
		return nil, err
	}
	merges := make([]string, len(pairs))
	for i, p := range pairs {
		merges[i] = strings.ReplaceAll(p[0], " ", "Ġ") + " " + strings.ReplaceAll(p[1], " ", "Ġ")
	}
	return merges, nil
}

// preTokenizer returns llama.cpp's name for the pattern that cuts words, as its
// src/llama-vocab.cpp lists them, and false where it has none.
func preTokenizer(t *tokenizer.Tokenizer) (string, bool) {
	p, ok := t.Pattern()
	if !ok {
		return "", false
	}
	name, ok := map[tokenizer.Pattern]string{
		{Family: "gpt2"}:              "gpt-2",
		{Family: "cl100k", Digits: 3}: "dbrx",
		{Family: "cl100k", Digits: 1}: "qwen2",
	}[p]
	return name, ok
}

// specialTokens returns the ids that generation goes by: what the generation
// defaults say, else the VAE's configuration, else the tokenizer's usual names.
func specialTokens(m *model, t *tokenizer.Tokenizer) gguf.Metadata {
	var defaults map[string]json.RawMessage
	_ = json.Unmarshal(m.meta.Generation, &defaults) // without them the next source decides
	var md gguf.Metadata
	for _, s := range []struct{ key, config, name string }{
		{"tokenizer.ggml.eos_token_id", "eos_token_id", "<|endoftext|>"},
		{"tokenizer.ggml.padding_token_id", "pad_token_id", "<|pad|>"},
		{"tokenizer.ggml.eot_token_id", "im_end_token_id", "<|im_end|>"},
	} {
		id, ok := tokenID(defaults[s.config])
		if !ok {
			id, ok = tokenID(extra(m.config)[s.config])
		}
		if !ok {
			var named int32
			named, ok = t.TokenID(s.name)
			id = uint32(named)
		}
		if ok {
			md = append(md, gguf.KeyValue{Key: s.key, Value: id})
		}
	}
	return md
}

func extra(c hf.Config) map[string]json.RawMessage { return c.VAE.Extra }

func tokenID(raw json.RawMessage) (uint32, bool) {
	n, err := strconv.ParseUint(string(raw), 10, 32)
	return uint32(n), err == nil
}
