package model

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"colakit/formats/cola"
	"colakit/formats/tokenizer"
	"colakit/golden"
)

// ErrNoTokenizer is wrapped by the error for a model without one.
var ErrNoTokenizer = errors.New("holds no tokenizer")

// Tokenizer returns the model's tokenizer.
func (m *Model) Tokenizer() (*tokenizer.Tokenizer, error) { return held(m.Name, m.Meta.Tokenizer) }

// HeldTokenizer returns the tokenizer of the model of that name, without opening
// the rest of it.
func HeldTokenizer(name string) (*tokenizer.Tokenizer, error) {
	if name == Tiny {
		raw, err := fs.ReadFile(golden.Tiny(), "tokenizer.json")
		if err != nil {
			return nil, err
		}
		return held(name, raw)
	}
	file, err := cola.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	meta, err := file.Meta()
	if err != nil {
		return nil, err
	}
	return held(name, slices.Clone(meta.Tokenizer))
}

func held(name string, raw []byte) (*tokenizer.Tokenizer, error) {
	if raw == nil {
		return nil, fmt.Errorf("%s %w", name, ErrNoTokenizer)
	}
	return parse(name+": tokenizer.json", raw)
}

// ReadTokenizer reads a tokenizer.json.
func ReadTokenizer(path string) (*tokenizer.Tokenizer, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return parse(path, raw)
}

func parse(name string, raw []byte) (*tokenizer.Tokenizer, error) {
	t, err := tokenizer.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return t, nil
}
