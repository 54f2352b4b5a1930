package tokenizer

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTokens(t *testing.T) {
	raw := []byte(`{"added_tokens":[{"content":"<pad>","special":true},{"content":"a b"}],
	"pre_tokenizer":{"type":"ByteLevel"},"decoder":{"type":"ByteLevel"},
	"model":{"type":"BPE","vocab":{"a":0,"Ġ":2,"Ġa":1,"日":9,"<pad>":4},"merges":["Ġ a"]}}`)
	tok, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	want := []Token{
		{ID: 0, Name: "a"}, {ID: 1, Name: "Ġa"}, {ID: 2, Name: "Ġ"},
		{ID: 4, Name: "<pad>", Added: true, Special: true}, {ID: 5, Name: "a b", Added: true}, {ID: 9, Name: "日"},
	}
	if diff := cmp.Diff(want, tok.Tokens()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	merges, err := Merges(raw)
	if diff := cmp.Diff([][]string{{"Ġ", "a"}}, merges); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	if _, err := Merges([]byte("{")); err == nil {
		t.Error("broken JSON has merges")
	}
}

func TestPattern(t *testing.T) {
	const base = `{"added_tokens":[],"pre_tokenizer":%s,"decoder":{"type":"ByteLevel"},"model":{"type":"BPE","vocab":{"a":0},"merges":[]}}`
	split := func(pattern string) string {
		return `{"type":"Split","pattern":{"Regex":"` + pattern + `"},"behavior":"Isolated"}`
	}
	const llama = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`
	level := func(regex string) string {
		return `{"type":"ByteLevel","add_prefix_space":false,"use_regex":` + regex + `}`
	}
	for _, c := range []struct {
		name, pre string
		want      Pattern
		ok        bool
	}{
		{"GPT-2", level("true"), Pattern{Family: "gpt2"}, true},
		{"OLMo 2", `{"type":"Sequence","pretokenizers":[` + split(llama) + `,` + level("false") + `]}`, Pattern{"cl100k", 3}, true},
		{"two patterns", `{"type":"Sequence","pretokenizers":[` + split(llama) + `,` + level("true") + `]}`, Pattern{}, false},
		{"no pattern", level("false"), Pattern{}, false},
		{"a space before", `{"type":"ByteLevel","add_prefix_space":true,"use_regex":true}`, Pattern{}, false},
	} {
		tok, err := Parse(fmt.Appendf(nil, base, c.pre))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got, ok := tok.Pattern(); got != c.want || ok != c.ok {
			t.Errorf("%s: got %v, %v; want %v, %v", c.name, got, ok, c.want, c.ok)
		}
	}
}
