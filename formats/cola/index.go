package cola

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"unicode"
	"unicode/utf8"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
	"colakit/internal/blake3"
)

// sectionEntry is a section's line of the index.
type sectionEntry struct {
	Section Section    `json:"section"`
	Offset  int64      `json:"offset"`
	Bytes   int64      `json:"bytes"`
	Sum     blake3.Sum `json:"blake3"`
}

// maxLineBytes bounds a line: six bytes for each of a name, and the rest.
const maxLineBytes = 6*MaxNameBytes + 1024

type counts struct {
	Tensors  int `json:"tensors"`
	Sections int `json:"sections"`
}

// index is the decoded index of a file.
type index struct {
	tensors  []Entry
	sections []sectionEntry
}

func (x index) encode() ([]byte, error) {
	var b bytes.Buffer
	lines := json.NewEncoder(&b)
	lines.SetEscapeHTML(false)
	if err := lines.Encode(counts{len(x.tensors), len(x.sections)}); err != nil {
		return nil, err
	}
	for _, e := range x.tensors {
		if err := lines.Encode(e); err != nil {
			return nil, fmt.Errorf("tensor %q: %w", e.Name, err)
		}
	}
	for _, s := range x.sections {
		if err := lines.Encode(s); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

// decodeIndex reads the index and checks its form, not yet what it says.
func decodeIndex(raw []byte) (index, error) {
	x, err := decodeLines(raw)
	if err != nil {
		return x, err
	}
	again, err := x.encode()
	if err != nil || !bytes.Equal(again, raw) {
		return x, fmt.Errorf("%w: its JSON lines are not in the one form that is allowed", ErrIndexForm)
	}
	return x, nil
}

func decodeLines(raw []byte) (index, error) {
	lines := lineReader{rest: raw}
	var n counts
	if err := lines.next(&n); err != nil {
		return index{}, err
	}
	if err := n.check(); err != nil {
		return index{}, err
	}
	var x index
	for range n.Tensors { // appended, so that memory follows the bytes that are there
		var e Entry
		if err := lines.next(&e); err != nil {
			return x, err
		}
		x.tensors = append(x.tensors, e)
	}
	for range n.Sections {
		var s sectionEntry
		if err := lines.next(&s); err != nil {
			return x, err
		}
		x.sections = append(x.sections, s)
	}
	return x, nil
}

// lineReader decodes JSON lines one by one.
type lineReader struct {
	rest []byte
	line int
}

func (r *lineReader) next(v any) error {
	r.line++
	if len(r.rest) == 0 {
		return fmt.Errorf("%w: it ends before line %d", ErrCount, r.line)
	}
	line, rest, _ := bytes.Cut(r.rest, []byte{'\n'})
	r.rest = rest
	if len(line) > maxLineBytes {
		return fmt.Errorf("%w: line %d has %d bytes, at most %d are allowed", ErrIndexForm, r.line, len(line), maxLineBytes)
	}
	if err := json.Unmarshal(line, v); err != nil {
		return fmt.Errorf("%w: line %d: %v", ErrIndexForm, r.line, err)
	}
	return nil
}

func (n counts) check() error {
	if n.Tensors < 0 || n.Tensors > MaxTensors {
		return fmt.Errorf("%w: %d tensors, at most %d are allowed", ErrCount, n.Tensors, MaxTensors)
	}
	if n.Sections < 0 || n.Sections > len(sectionOrder) {
		return fmt.Errorf("%w: %d sections, at most %d are allowed", ErrCount, n.Sections, len(sectionOrder))
	}
	return nil
}

// validate checks everything the index says against the rules of the format.
func (x index) validate(version Version, indexOffset int64) error {
	at := cursor{end: superblockBytes, limit: indexOffset}
	if err := validateTensors(x.tensors, version, &at); err != nil {
		return err
	}
	if least := leastVersion(x.tensors); version != least {
		return fmt.Errorf("%w: %d, the contents need %d", ErrVersionHigh, version, least)
	}
	if err := validateSections(x, &at); err != nil {
		return err
	}
	if want := alignUp(at.end, smallAlignment); want != indexOffset {
		return fmt.Errorf("%w: the index starts at %d, not at %d", ErrHole, indexOffset, want)
	}
	return nil
}

func validateTensors(tensors []Entry, version Version, at *cursor) error {
	seen := make(map[string]bool, len(tensors))
	for i, e := range tensors {
		if err := checkDesc(e.Desc(), version); err != nil {
			return fmt.Errorf("tensor %d: %w", i, err)
		}
		if seen[e.Name] {
			return fmt.Errorf("%w: %q", ErrDuplicate, e.Name)
		}
		seen[e.Name] = true
		if err := validatePlace(e, at); err != nil {
			return fmt.Errorf("tensor %q: %w", e.Name, err)
		}
	}
	return nil
}

// validatePlace checks sizes and places of the tensor's data and scales.
func validatePlace(e Entry, at *cursor) error {
	if want, err := e.Desc().Bytes(); err != nil || want != e.Bytes {
		return fmt.Errorf("%w: shape %v of %v, says %d", ErrBytes, e.Shape, e.Type, e.Bytes)
	}
	if want, err := e.Desc().ScaleBytes(); err != nil || e.Scales != nil && want != e.Scales.Bytes {
		return fmt.Errorf("%w: the scales of shape %v, says %d", ErrBytes, e.Shape, e.Scales.Bytes)
	}
	for _, r := range e.regions() {
		if err := at.place(r.offset, r.bytes, alignment(r.bytes)); err != nil {
			return err
		}
	}
	return nil
}

// checkDesc checks a tensor's name, type, shape and quantisation.
func checkDesc(d tensor.Desc, version Version) error {
	if err := checkName(d.Name); err != nil {
		return err
	}
	if needs := versionOf(d.Type); needs == 0 || needs > version {
		return fmt.Errorf("%w: tensor %q is %v", ErrType, d.Name, d.Type)
	}
	if d.Shape == nil || len(d.Shape) > MaxDimensions {
		return fmt.Errorf("%w: tensor %q has %d dimensions, %d are allowed", ErrShape, d.Name, len(d.Shape), MaxDimensions)
	}
	if n, err := d.Shape.Elements(); err != nil || n > math.MaxInt64/int64(d.Type.Size()) {
		return fmt.Errorf("%w: tensor %q: %v is negative or too large", ErrShape, d.Name, d.Shape)
	}
	if err := checkQuantization(d); err != nil {
		return err
	}
	if _, err := d.ScaleBytes(); err != nil {
		return fmt.Errorf("%w: tensor %q: the scales of %v are too large", ErrShape, d.Name, d.Shape)
	}
	return nil
}

// versionOf returns the version that brought tensors of that type; 0: none did.
func versionOf(t dtype.Type) Version {
	switch t {
	case dtype.F32, dtype.F16, dtype.BF16:
		return V1
	case dtype.I8:
		return V2
	}
	return 0
}

// leastVersion returns the version that a file of these tensors is written in.
func leastVersion(tensors []Entry) Version {
	least := V1
	for _, e := range tensors {
		least = max(least, versionOf(e.Type))
	}
	return least
}

func checkName(name string) error {
	if name == "" || len(name) > MaxNameBytes {
		return fmt.Errorf("%w: %d bytes, 1 to %d are allowed", ErrName, len(name), MaxNameBytes)
	}
	if !utf8.ValidString(name) {
		return fmt.Errorf("%w: %q is not UTF-8", ErrName, name)
	}
	for _, r := range name {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return fmt.Errorf("%w: %q holds the character %U", ErrName, name, r)
		}
	}
	return nil
}
