package tokenizer

import (
	"encoding/json"
	"strings"

	"colakit/formats/tensor"
)

// preTokenizer cuts text into words: by each of splits in turn, then by ByteLevel's
// own two steps.
type preTokenizer struct {
	splits      []splitter
	prefixSpace bool     // put a space before pieces that do not begin with one
	words       splitter // nil: pieces are words
}

// step is one pre-tokenizer of the file.
type step struct {
	typed
	Steps []json.RawMessage `json:"pretokenizers"` // Sequence

	Pattern struct { // Split
		Regex  *string `json:"Regex"`
		String *string `json:"String"`
	} `json:"pattern"`
	Behavior string `json:"behavior"`
	Invert   bool   `json:"invert"`

	AddPrefixSpace bool  `json:"add_prefix_space"` // ByteLevel
	UseRegex       *bool `json:"use_regex"`
}

// readPreTokenizer reads ByteLevel or a Sequence of Split steps and ByteLevel.
func (t *Tokenizer) readPreTokenizer(f *file) error {
	const where = "pre_tokenizer"
	if !isSet(f.PreTokenizer) {
		return unsupported("%s is null, supported are ByteLevel and a Sequence of Split and ByteLevel", where)
	}
	steps, err := flatten(f.PreTokenizer, where)
	if err != nil {
		return err
	}
	for i, s := range steps {
		last := i == len(steps)-1
		switch {
		case s.Type == "Split" && !last:
			split, err := t.split(s)
			if err != nil {
				return err
			}
			t.pre.splits = append(t.pre.splits, split)
		case s.Type == "ByteLevel" && last:
			t.pre.prefixSpace = s.AddPrefixSpace
			if s.UseRegex == nil || *s.UseRegex {
				t.pre.words = gpt2{t.classes}
			}
		default:
			return unsupported("%s step %d of %d is %s, supported are Split steps with ByteLevel as the last", where, i+1, len(steps), s.name())
		}
	}
	if len(steps) == 0 {
		return unsupported("%s has no steps, wanted ByteLevel as the last", where)
	}
	return nil
}

// flatten returns the steps of a pre-tokenizer, those of a Sequence one by one.
func flatten(raw json.RawMessage, where string) ([]step, error) {
	var s step
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, tensor.Damagedf("%s: %w", where, err)
	}
	if s.Type != "Sequence" {
		return []step{s}, nil
	}
	steps := make([]step, len(s.Steps))
	for i, raw := range s.Steps {
		if err := json.Unmarshal(raw, &steps[i]); err != nil {
			return nil, tensor.Damagedf("%s.pretokenizers[%d]: %w", where, i, err)
		}
	}
	return steps, nil
}

func (t *Tokenizer) split(s step) (splitter, error) {
	if s.Pattern.Regex == nil {
		return nil, unsupported("pre_tokenizer: a Split by a plain string; supported are known regular expressions")
	}
	// The known patterns match every character, so nothing lies between two matches
	// to be removed or inverted.
	if s.Behavior != "Isolated" && !(s.Behavior == "Removed" && s.Invert) {
		return nil, unsupported("pre_tokenizer: a Split with behavior %q (invert %t), supported is \"Isolated\"", s.Behavior, s.Invert)
	}
	split := t.knownPattern(*s.Pattern.Regex)
	if split == nil {
		return nil, unsupported("pre_tokenizer: unknown split pattern %q; known are those of GPT-2, cl100k, OLMo 2, Llama 3 and Qwen 2", *s.Pattern.Regex)
	}
	return split, nil
}

const gpt2Pattern = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`

// cl100kPattern lists the alternatives of the family in order, each in the spellings
// that are in use. Those of one alternative match the same, but for the digits.
var cl100kPattern = [...][]string{
	{`(?i:'s|'t|'re|'ve|'m|'ll|'d)`, `'(?i:[sdmt]|ll|ve|re)`},
	{`[^\r\n\p{L}\p{N}]?\p{L}+`, `[^\r\n\p{L}\p{N}]?+\p{L}+`, `[^\r\n\p{L}\p{N}]?+\p{L}++`},
	{`\p{N}{1,3}`, `\p{N}{1,2}`, `\p{N}`},
	{` ?[^\s\p{L}\p{N}]+[\r\n]*`, ` ?[^\s\p{L}\p{N}]++[\r\n]*`, ` ?[^\s\p{L}\p{N}]++[\r\n]*+`},
	{`\s*[\r\n]+`, `\s*[\r\n]`},
	{`\s+(?!\S)`},
	{`\s+`},
}

var cl100kDigits = map[string]int{`\p{N}{1,3}`: 3, `\p{N}{1,2}`: 2, `\p{N}`: 1}

// knownPattern returns the splitter of a regular expression, nil for unknown ones.
func (t *Tokenizer) knownPattern(pattern string) splitter {
	if pattern == gpt2Pattern {
		return gpt2{t.classes}
	}
	p := cl100k{classes: t.classes}
	rest := pattern + "|"
	for _, spellings := range cl100kPattern {
		found := ""
		for _, s := range spellings {
			if strings.HasPrefix(rest, s+"|") {
				found = s
				break
			}
		}
		if found == "" {
			return nil
		}
		if n := cl100kDigits[found]; n > 0 {
			p.digits = n
		}
		rest = rest[len(found)+1:]
	}
	if rest != "" {
		return nil
	}
	return p
}
