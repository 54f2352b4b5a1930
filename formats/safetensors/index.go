package safetensors

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	singleName = "model.safetensors"
	indexName  = "model.safetensors.index.json"
	maxIndex   = maxHeader
	maxDepth   = 64 // of JSON that is skipped
)

// index is the content of model.safetensors.index.json: the name of the file
// that holds each tensor.
type index map[string]string

// parseIndex reads {"metadata": …, "weight_map": {tensor: file}}. Other members
// than weight_map are skipped, but must be JSON.
func parseIndex(text []byte) (index, error) {
	if !utf8.Valid(text) {
		return nil, ErrUTF8
	}
	var places index
	s := &scanner{text: text}
	seen := map[string]bool{}
	err := s.object(func(key string) (err error) {
		if seen[key] {
			return fmt.Errorf("%q: %w", key, ErrDuplicate)
		}
		seen[key] = true
		if key == "weight_map" {
			places, err = s.weightMap()
			return err
		}
		return s.skip()
	})
	if err == nil {
		err = s.end()
	}
	if err == nil && len(places) == 0 {
		err = fmt.Errorf("weight_map lists no tensor: %w", ErrIndex)
	}
	return places, err
}

func (s *scanner) weightMap() (index, error) {
	places := index{}
	if s.peek() != '{' {
		return nil, fmt.Errorf("weight_map is no object: %w", ErrIndex)
	}
	return places, s.object(func(name string) error {
		if _, twice := places[name]; twice {
			return fmt.Errorf("weight_map: tensor %q: %w", name, ErrDuplicate)
		}
		if s.peek() != '"' {
			return fmt.Errorf("weight_map: tensor %q has no file name: %w", name, ErrIndex)
		}
		file, err := s.string()
		if err != nil {
			return err
		}
		if !localName(file) {
			return fmt.Errorf("weight_map: tensor %q is placed in %q, which is no file name inside the folder: %w", name, file, ErrIndex)
		}
		places[name] = file
		return nil
	})
}

// localName reports whether name can only be a file directly in the folder.
func localName(name string) bool {
	return name == path.Base(name) && name != "." && name != ".." && name != "/" && !strings.ContainsAny(name, "\\:\x00")
}

// files returns the names of the files, sorted.
func (x index) files() []string {
	return slices.Compact(slices.Sorted(maps.Values(x)))
}

// check compares the index with the files it names, both ways.
func (x index) check(files map[string]*File) error {
	for _, name := range slices.Sorted(maps.Keys(x)) {
		if _, ok := files[x[name]].byName[name]; !ok {
			return fmt.Errorf("tensor %q is not in %s: %w", name, x[name], ErrNotInShard)
		}
	}
	for _, file := range x.files() {
		for _, e := range files[file].entries {
			if place := x[e.desc.Name]; place != file {
				return fmt.Errorf("tensor %q of %s is placed in %q: %w", e.desc.Name, file, place, ErrNotInIndex)
			}
		}
	}
	return nil
}

// skip reads any value. It keeps the closing brackets it waits for, at most
// maxDepth, instead of recursing.
func (s *scanner) skip() error {
	var open []byte
	for {
		closed, err := s.skipOne(&open)
		if err != nil {
			return err
		}
		for closed && len(open) > 0 {
			switch last := open[len(open)-1]; {
			case s.take(','):
				closed = false
				if err := s.memberKey(last); err != nil {
					return err
				}
			case s.take(last):
				open = open[:len(open)-1]
			default:
				return s.fault("',' or " + string(last))
			}
		}
		if closed {
			return nil
		}
	}
}

// skipOne reads a scalar or an empty array or object, or opens one and reads up
// to its first value; then it is not closed yet.
func (s *scanner) skipOne(open *[]byte) (closed bool, err error) {
	switch c := s.peek(); c {
	case '{', '[':
		s.at++
		last := c + 2 // '}' follows '{' by two in ASCII, as ']' does '['
		if s.take(last) {
			return true, nil
		}
		if len(*open) == maxDepth {
			return false, fmt.Errorf("byte %d: values are nested deeper than %d: %w", s.at, maxDepth, ErrSyntax)
		}
		*open = append(*open, last)
		return false, s.memberKey(last)
	case '"':
		_, err := s.string()
		return true, err
	default:
		return true, s.scalar()
	}
}

// memberKey reads `"key":` in an object and nothing in an array.
func (s *scanner) memberKey(last byte) error {
	if last == ']' {
		return nil
	}
	if _, err := s.string(); err != nil {
		return err
	}
	if !s.take(':') {
		return s.fault("':'")
	}
	return nil
}

// scalar skips true, false, null or a number.
func (s *scanner) scalar() error {
	start := s.at
	for s.at < len(s.text) && strings.IndexByte("+-.0123456789Eaeflnrstu", s.text[s.at]) >= 0 {
		s.at++
	}
	if !json.Valid(s.text[start:s.at]) {
		s.at = start
		return s.fault("a value")
	}
	return nil
}
