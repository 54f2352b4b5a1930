package tokenizer

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"maps"
	"os"
	"strings"
	"testing"
)

// cases is testdata/cases.json: what the library makes of texts and ids.
type cases struct {
	Variants []struct {
		Name  string
		Patch map[string]json.RawMessage
		results
	}
	CL100K         results
	EveryCodePoint string `json:"every_code_point"`
}

type results struct {
	Size   int
	Added  map[string]int32
	Encode []struct {
		Text string
		IDs  []int32
	}
	Decode []struct {
		IDs  []int32
		Skip bool
		Text string
	}
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func readCases(t testing.TB) cases {
	t.Helper()
	var c cases
	if err := json.Unmarshal(readFile(t, "cases.json"), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// patched returns small.json with other top-level members; those of "model" one by
// one.
func patched(t testing.TB, patch map[string]json.RawMessage) []byte {
	t.Helper()
	var whole, model map[string]json.RawMessage
	decode := func(raw []byte, v any) {
		if err := json.Unmarshal(raw, v); err != nil {
			t.Fatal(err)
		}
	}
	decode(readFile(t, "small.json"), &whole)
	decode(whole["model"], &model)
	if m := patch["model"]; m != nil {
		var members map[string]json.RawMessage
		decode(m, &members)
		maps.Copy(model, members)
	}
	maps.Copy(whole, patch)
	whole["model"] = encode(t, model)
	return encode(t, whole)
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSpace(b.Bytes())
}

func parse(t testing.TB, raw []byte) *Tokenizer {
	t.Helper()
	tok, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func small(t testing.TB) *Tokenizer {
	t.Helper()
	return parse(t, readFile(t, "small.json"))
}

// cl100kFile returns the tokenizer.json of cl100k_base with small.json's added tokens.
func cl100kFile(t testing.TB) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(readFile(t, "cl100k.merges.gz")))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	merges := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	vocab := map[string]int{}
	for _, shown := range []bool{true, false} { // bytes that stand for themselves first
		for b, r := range byteChars {
			if (int(r) == b) == shown {
				vocab[string(r)] = len(vocab)
			}
		}
	}
	for _, m := range merges {
		vocab[strings.Replace(m, " ", "", 1)] = len(vocab)
	}
	return patched(t, map[string]json.RawMessage{
		"model": encode(t, map[string]any{"vocab": vocab, "merges": merges}),
	})
}
