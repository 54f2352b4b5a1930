package tokenizer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"colakit/formats/tensor"
)

// ErrUnsupported is wrapped by Parse's errors about files that are sound but ask for
// something this package does not do.
var ErrUnsupported = errors.New("unsupported tokenizer")

func unsupported(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrUnsupported, fmt.Sprintf(format, args...))
}

// file is tokenizer.json as it stands; parts that exist in several types are raw.
type file struct {
	Version       *string         `json:"version"`
	Truncation    json.RawMessage `json:"truncation"`
	Padding       *padding        `json:"padding"`
	AddedTokens   []addedToken    `json:"added_tokens"`
	Normalizer    json.RawMessage `json:"normalizer"`
	PreTokenizer  json.RawMessage `json:"pre_tokenizer"`
	PostProcessor json.RawMessage `json:"post_processor"`
	Decoder       *typed          `json:"decoder"`
	Model         *model          `json:"model"`
}

type padding struct {
	Strategy      json.RawMessage `json:"strategy"`
	PadToMultiple *int            `json:"pad_to_multiple_of"`
}

// typed reads the kind of a part of the pipeline.
type typed struct {
	Type string `json:"type"`
}

type model struct {
	typed
	Dropout                 *float64 `json:"dropout"`
	UnkToken                *string  `json:"unk_token"`
	ContinuingSubwordPrefix *string  `json:"continuing_subword_prefix"`
	EndOfWordSuffix         *string  `json:"end_of_word_suffix"`
	FuseUnk                 bool     `json:"fuse_unk"`
	ByteFallback            bool     `json:"byte_fallback"`
	IgnoreMerges            bool     `json:"ignore_merges"`

	Vocab  json.RawMessage `json:"vocab"`
	Merges json.RawMessage `json:"merges"`
}

// Parse reads the contents of a tokenizer.json. Its errors name the part of the file
// but not the file. They wrap ErrUnsupported for what this package does not do and
// tensor.ErrDamaged for files that are broken or contradict themselves.
func Parse(raw []byte) (*Tokenizer, error) {
	if !utf8.Valid(raw) {
		return nil, tensor.Damagedf("not UTF-8")
	}
	var f file
	if err := json.Unmarshal(raw, &f); err != nil {
		return nil, tensor.Damagedf("%s", describe(err))
	}
	if err := f.supported(); err != nil {
		return nil, err
	}
	t := &Tokenizer{classes: unicodeClasses()}
	steps := []func(*file) error{t.readVocabulary, t.readMerges, t.readAdded, t.readPreTokenizer, t.readPostProcessor}
	for _, read := range steps {
		if err := read(&f); err != nil {
			return nil, err
		}
	}
	t.encoders.New = func() any { return &encoder{t: t} }
	return t, nil
}

// describe says in one line what is wrong with the JSON.
func describe(err error) string {
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &kind) && kind.Field != "":
		return fmt.Sprintf("%s: found a JSON %s", kind.Field, kind.Value)
	case errors.As(err, &kind):
		return fmt.Sprintf("found a JSON %s, want the JSON object of a tokenizer", kind.Value)
	}
	return fmt.Sprintf("not JSON: %v", err)
}

// supported refuses whole parts of the pipeline, by name.
func (f *file) supported() error {
	if f.Model == nil {
		return tensor.Damagedf("the key model is missing")
	}
	if f.Version != nil && *f.Version != "1.0" {
		return unsupported("version is %q, known is \"1.0\"", *f.Version)
	}
	if isSet(f.Truncation) {
		return unsupported("truncation is set; set it to null, as texts are never cut here")
	}
	if f.Padding != nil && !f.Padding.none() {
		return unsupported("padding is set; set it to null, as texts are never padded here")
	}
	if isSet(f.Normalizer) {
		return unsupported("normalizer is %s, supported is null", kind(f.Normalizer))
	}
	if f.Decoder == nil || f.Decoder.Type != "ByteLevel" {
		return unsupported("decoder is %s, supported is ByteLevel", f.Decoder.name())
	}
	return f.Model.supported()
}

// none reports whether a single text is left as it is: BatchLongest pads to the
// longest of a batch.
func (p *padding) none() bool {
	return string(p.Strategy) == `"BatchLongest"` && p.PadToMultiple == nil
}

func (m *model) supported() error {
	switch {
	case m.Type != "BPE" && m.Type != "":
		return unsupported("model.type is %q, supported is \"BPE\"", m.Type)
	case m.Dropout != nil && *m.Dropout != 0:
		return unsupported("model.dropout is %v, which draws merges at random; set it to null", *m.Dropout)
	case m.ContinuingSubwordPrefix != nil && *m.ContinuingSubwordPrefix != "":
		return unsupported("model.continuing_subword_prefix is %q, supported is none", *m.ContinuingSubwordPrefix)
	case m.EndOfWordSuffix != nil && *m.EndOfWordSuffix != "":
		return unsupported("model.end_of_word_suffix is %q, supported is none", *m.EndOfWordSuffix)
	}
	return nil
}

func (t *typed) name() string {
	if t == nil {
		return "null"
	}
	return fmt.Sprintf("%q", t.Type)
}

// isSet reports whether an optional part is there and not null.
func isSet(raw json.RawMessage) bool {
	return len(raw) > 0 && !bytes.Equal(raw, []byte("null"))
}

// kind names the type of a part for an error.
func kind(raw json.RawMessage) string {
	if !isSet(raw) {
		return "null"
	}
	var t typed
	if json.Unmarshal(raw, &t) != nil || t.Type == "" {
		return "of no known type"
	}
	return t.name()
}
