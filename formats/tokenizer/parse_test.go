package tokenizer

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"colakit/formats/tensor"
)

func TestParseRefuses(t *testing.T) {
	split := func(members string) string {
		return `{"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Split", ` + members + `}, {"type": "ByteLevel"}]}}`
	}
	for _, tt := range []struct{ patch, want string }{
		{`{"version": "2.0"}`, `version is "2.0"`},
		{`{"truncation": {"max_length": 8}}`, `truncation is set`},
		{`{"padding": {"strategy": {"Fixed": 8}}}`, `padding is set`},
		{`{"padding": {"strategy": "BatchLongest", "pad_to_multiple_of": 8}}`, `padding is set`},
		{`{"normalizer": {"type": "NFC"}}`, `normalizer is "NFC", supported is null`},
		{`{"decoder": null}`, `decoder is null`},
		{`{"decoder": {"type": "Metaspace"}}`, `decoder is "Metaspace"`},
		{`{"model": {"type": "WordPiece"}}`, `model.type is "WordPiece"`},
		{`{"model": {"type": "Unigram", "vocab": [["a", 0.5]]}}`, `model.type is "Unigram"`},
		{`{"model": {"dropout": 0.1}}`, `model.dropout is 0.1`},
		{`{"model": {"continuing_subword_prefix": "##"}}`, `model.continuing_subword_prefix is "##"`},
		{`{"model": {"end_of_word_suffix": "</w>"}}`, `model.end_of_word_suffix is "</w>"`},
		{`{"model": {"byte_fallback": true, "vocab": {"a": 0}, "merges": []}}`, `no token for byte 0x00`},
		{`{"pre_tokenizer": null}`, `pre_tokenizer is null`},
		{`{"pre_tokenizer": {"type": "Whitespace"}}`, `pre_tokenizer step 1 of 1 is "Whitespace"`},
		{`{"pre_tokenizer": {"type": "Sequence", "pretokenizers": []}}`, `pre_tokenizer has no steps`},
		{`{"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "ByteLevel"}, {"type": "Digits"}]}}`, `step 1 of 2 is "ByteLevel"`},
		{`{"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Digits"}, {"type": "ByteLevel"}]}}`, `step 1 of 2 is "Digits"`},
		{split(`"pattern": {"String": " "}, "behavior": "Isolated"`), `a Split by a plain string`},
		{split(`"pattern": {"Regex": "\\w+"}, "behavior": "Isolated"`), `unknown split pattern "\\w+"`},
		{split(`"pattern": {"Regex": "\\s+"}, "behavior": "Removed"`), `behavior "Removed" (invert false)`},
		{split(`"pattern": {"Regex": "\\s+"}, "behavior": "MergedWithNext"`), `behavior "MergedWithNext"`},
		{`{"post_processor": {"type": "BertProcessing"}}`, `post_processor is "BertProcessing"`},
		{`{"post_processor": {"type": "Sequence", "processors": [{"type": "Sequence"}]}}`, `post_processor (Sequence) is "Sequence"`},
		{`{"post_processor": {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "B"}}]}}`, `neither a special token nor the sequence A`},
		{`{"post_processor": {"type": "TemplateProcessing", "single": []}}`, `has the text 0 times`},
		{`{"post_processor": {"type": "Sequence", "processors": [
			{"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A"}}]},
			{"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A"}}]}]}}`, `a second TemplateProcessing`},
	} {
		checkError(t, tt.patch, ErrUnsupported, tt.want)
	}
}

func TestParseFindsDamage(t *testing.T) {
	for _, tt := range []struct{ patch, want string }{
		{`{"model": {"vocab": null}}`, `model.vocab is missing`},
		{`{"model": {"vocab": []}}`, `model.vocab is missing or not an object`},
		{`{"model": {"vocab": {"a": 0, "b": 0}}}`, `"a" and "b" both have id 0`},
		{`{"model": {"vocab": {"a": 0, "a": 1}}}`, `"a" is there twice`},
		{`{"model": {"vocab": {"日本": 0, "日本": 1}}}`, `"日本" is there twice`},
		{`{"model": {"vocab": {"a": -1}}}`, `the id of "a" is -1`},
		{`{"model": {"vocab": {"a": 2147483648}}}`, `the id of "a" is 2147483648`},
		{`{"model": {"vocab": {"a": 1.5}}}`, `the id of "a" is 1.5`},
		{`{"model": {"vocab": {"a": "1"}}}`, `the id of "a" is 1, wanted a number`},
		{`{"model": {"vocab": {"a": [1]}}}`, `the id of "a" is [`},
		{`{"model": {"merges": null}}`, `model.merges is missing`},
		{`{"model": {"merges": {}}}`, `model.merges: `},
		{`{"model": {"merges": 1}}`, `model.merges: `},
		{`{"model": {"merges": ["h e", 1]}}`, `model.merges: `},
		{`{"model": {"merges": ["h e l"]}}`, `model.merges[0] is "h e l"`},
		{`{"model": {"merges": [["h"]]}}`, `model.merges[0] has 1 parts`},
		{`{"model": {"merges": ["h e", "q z"]}}`, `model.merges[1] joins "q" and "z": model.vocab does not hold "qz"`},
		{`{"model": {"merges": [["Ġ", "no"]]}}`, `model.vocab does not hold "no"`},
		{`{"model": {"vocab": {"a": 0}, "merges": [], "unk_token": "<unk>"}}`, `model.unk_token is "<unk>"`},
		{`{"model": {"vocab": {"a": 0, "b": 2}, "merges": []}}`, `"<|extra_id_0|>" takes id 2, which model.vocab gives to "b"`},
		{`{"added_tokens": 5}`, `added_tokens: found a JSON number`},
		{`{"post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "x"}}]}}`, `"x", which special_tokens does not hold`},
		{`{"pre_tokenizer": {"type": "Sequence", "pretokenizers": 5}}`, `pre_tokenizer: `},
	} {
		checkError(t, tt.patch, tensor.ErrDamaged, tt.want)
	}
}

func checkError(t *testing.T, patch string, kind error, want string) {
	t.Helper()
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(patch), &members); err != nil {
		t.Fatalf("%s: %v", patch, err)
	}
	_, err := Parse(patched(t, members))
	switch {
	case err == nil:
		t.Errorf("%s: no error, want one with %q", patch, want)
	case !errors.Is(err, kind), !strings.Contains(err.Error(), want), strings.Contains(err.Error(), "\n"):
		t.Errorf("%s: error is %q, want one line with %q that wraps %q", patch, err, want, kind)
	}
}

func TestParseDamagedBytes(t *testing.T) {
	whole := readFile(t, "small.json")
	if _, err := Parse([]byte("[1]")); !errors.Is(err, tensor.ErrDamaged) || err.Error() != "found a JSON array, want the JSON object of a tokenizer" {
		t.Errorf("an array: error is %v", err)
	}
	if _, err := Parse([]byte(`{"model": null}`)); !errors.Is(err, tensor.ErrDamaged) {
		t.Errorf("without a model: error is %v, want one that wraps ErrDamaged", err)
	}
	for _, n := range []int{0, 1, 100, len(whole) / 2, len(whole) - 1} {
		if _, err := Parse(whole[:n]); !errors.Is(err, tensor.ErrDamaged) {
			t.Errorf("cut to %d bytes: error is %v, want one that wraps ErrDamaged", n, err)
		}
	}
	flipped := []byte(strings.Replace(string(whole), "endoftext", "end\xfftext", 1))
	if _, err := Parse(flipped); !errors.Is(err, tensor.ErrDamaged) {
		t.Errorf("not UTF-8: error is %v, want one that wraps ErrDamaged", err)
	}
}

func TestParseAccepts(t *testing.T) {
	for _, patch := range []string{
		`{"padding": {"strategy": "BatchLongest", "pad_to_multiple_of": null}}`,
		`{"post_processor": null, "truncation": null}`,
		`{"model": {"merges": ["#version: 0.2", "h e"]}}`,
		`{"model": {"merges": []}}`,
		`{"something": "else"}`,
	} {
		var members map[string]json.RawMessage
		if err := json.Unmarshal([]byte(patch), &members); err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(patched(t, members)); err != nil {
			t.Errorf("%s: %v", patch, err)
		}
	}
}
