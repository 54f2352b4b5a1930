package records

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// A Result is a record and what was generated from it.
type Result struct {
	Record
	Generate    string
	Remainder   *int    // prompt tokens modulo patch_size; nil where patch_size is 1
	BlockTokens []int32 // every sampled id; nil to leave the field out
}

// Append appends the result to dst as one line of JSON, spelt as Python's
// json.dumps(…, ensure_ascii=False) spells it. Numbers keep the text they had.
func (r Result) Append(dst []byte) []byte {
	dst = appendValue(append(dst, `{"id": `...), or(r.ID, "null"))
	dst = appendString(append(dst, `, "prompt": `...), r.Prompt)
	dst = appendString(append(dst, `, "generate": `...), r.Generate)
	dst = appendValue(append(dst, `, "ground_truth": `...), or(r.GroundTruth, `""`))
	if r.Choices != nil {
		dst = appendValue(append(dst, `, "choices": `...), r.Choices)
	}
	if r.Remainder != nil {
		dst = strconv.AppendInt(append(dst, `, "prompt_len_mod_patch_size": `...), int64(*r.Remainder), 10)
	}
	if r.BlockTokens != nil {
		dst = appendIDs(append(dst, `, "block_tokens": `...), r.BlockTokens)
	}
	return append(dst, "}\n"...)
}

func or(raw json.RawMessage, otherwise string) json.RawMessage {
	if raw == nil {
		return json.RawMessage(otherwise)
	}
	return raw
}

func appendIDs(dst []byte, ids []int32) []byte {
	dst = append(dst, '[')
	for i, id := range ids {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = strconv.AppendInt(dst, int64(id), 10)
	}
	return append(dst, ']')
}

// appendValue appends valid JSON with a space after every comma and colon and none
// elsewhere.
func appendValue(dst []byte, raw json.RawMessage) []byte {
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; c {
		case ' ', '\t', '\n', '\r':
		case ',', ':':
			dst = append(dst, c, ' ')
		case '"':
			end := closing(raw, i)
			var text string
			_ = json.Unmarshal(raw[i:end], &text) // part of valid JSON
			dst = appendString(dst, text)
			i = end - 1
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// closing returns the index after the quote that ends the string starting at i.
func closing(raw []byte, i int) int {
	for i++; i < len(raw) && raw[i] != '"'; i++ {
		if raw[i] == '\\' {
			i++
		}
	}
	return min(i+1, len(raw))
}

var escapes = map[byte]string{
	'"': `\"`, '\\': `\\`, '\n': `\n`, '\r': `\r`, '\t': `\t`, '\f': `\f`, '\b': `\b`,
}

func appendString(dst []byte, text string) []byte {
	dst = append(dst, '"')
	for i := range len(text) {
		c := text[i]
		switch escape, ok := escapes[c]; {
		case ok:
			dst = append(dst, escape...)
		case c < 0x20:
			dst = fmt.Appendf(dst, `\u%04x`, c)
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}
