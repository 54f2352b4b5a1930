// Package records reads and writes the JSON-lines records of prompts and results,
// in the form that the public Python package gives them.
//
// An input record is an object on a line of its own. Its prompt is `question`, or
// `prompt` where there is no question; `id`, `answer` (or `ground_truth`) and
// `choices` are carried to the result as they are. Other fields are ignored.
package records

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"colakit/formats/tensor"
)

// MaxLine is the longest line that Read takes, in bytes.
const MaxLine = 64 << 20

// A Record is one prompt.
type Record struct {
	Line        int             // of the file, from 1; 0 for a prompt that comes from no file
	Prompt      string          // may be empty; generation refuses what tokenises to nothing
	ID          json.RawMessage // nil where missing
	GroundTruth json.RawMessage // nil where missing
	Choices     json.RawMessage // nil where missing or empty
}

// Read returns the records of r. name is what errors call the file; they name the
// line too. Blank lines are skipped. What is no record is damage: the error wraps
// tensor.ErrDamaged.
func Read(r io.Reader, name string) ([]Record, error) {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, MaxLine)
	var records []Record
	line := 0
	for scanner.Scan() {
		line++
		text := scanner.Bytes()
		if line == 1 {
			text = bytes.TrimPrefix(text, []byte("\ufeff"))
		}
		if text = bytes.TrimSpace(text); len(text) == 0 {
			continue
		}
		record, err := parse(text)
		if err != nil {
			return nil, tensor.Damagedf("%s:%d: %w", name, line, err)
		}
		record.Line = line
		records = append(records, record)
	}
	if err := scanner.Err(); errors.Is(err, bufio.ErrTooLong) {
		return nil, tensor.Damagedf("%s:%d: the line is longer than %d bytes", name, line+1, MaxLine)
	} else if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return records, nil
}

func parse(text []byte) (Record, error) {
	if !utf8.Valid(text) {
		return Record{}, errors.New("the line is not UTF-8 text")
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return Record{}, describe(err)
	}
	if fields == nil {
		return Record{}, errors.New("found null; a record is a JSON object with a question or a prompt")
	}
	r := Record{ID: fields["id"], GroundTruth: fields["answer"], Choices: fields["choices"]}
	if r.GroundTruth == nil {
		r.GroundTruth = fields["ground_truth"]
	}
	if !truthy(r.Choices) {
		r.Choices = nil
	}
	field := "question"
	if fields[field] == nil && fields["prompt"] != nil {
		field = "prompt"
	}
	if fields[field] == nil {
		return r, nil
	}
	if fields[field][0] != '"' {
		return Record{}, fmt.Errorf("%s is %.20s; it must be a string", field, fields[field])
	}
	return r, json.Unmarshal(fields[field], &r.Prompt)
}

// describe says in one line what is wrong with a line's JSON.
func describe(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &kind):
		return fmt.Errorf("found a JSON %s; a record is a JSON object with a question or a prompt", kind.Value)
	case errors.As(err, &syntax):
		return fmt.Errorf("not JSON: %w at byte %d of the line", syntax, syntax.Offset)
	}
	return err
}

// truthy is Python's bool of a JSON value.
func truthy(raw json.RawMessage) bool {
	var value any
	if raw == nil || json.Unmarshal(raw, &value) != nil {
		return raw != nil
	}
	switch v := value.(type) {
	case nil:
		return false
	case bool:
		return v
	case float64:
		return v != 0
	case string:
		return v != ""
	case []any:
		return len(v) > 0
	case map[string]any:
		return len(v) > 0
	}
	return true
}
