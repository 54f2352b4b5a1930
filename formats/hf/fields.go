package hf

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"colakit/formats/tensor"
)

// maxConfigBytes bounds a config.json; real ones are below 2 KB.
const maxConfigBytes = 1 << 20

// field ties a key of a config.json to the variable that holds its value: an
// *int, integral, *float64, **float64 (null allowed), *bool or *string.
type field struct {
	key   string
	value any
}

// integral is an integer that may be written as a float, 4.0: the public
// package only ever divides by it.
type integral struct{ value *int }

// MarshalJSON writes the integer.
func (i integral) MarshalJSON() ([]byte, error) {
	return strconv.AppendInt(nil, int64(*i.value), 10), nil
}

// decode reads the keys that are present into their fields and returns the
// others. It is as strict about types as the public package turns out to be:
// integers must be written as integers, and numbers serve as truth values.
func decode(raw []byte, modelType string, fields []field) (map[string]json.RawMessage, error) {
	if len(raw) > maxConfigBytes {
		return nil, tensor.Damagedf("%s config: %d bytes, want at most %d", modelType, len(raw), maxConfigBytes)
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(raw, &keys); err != nil {
		return nil, tensor.Damagedf("%s config: %s, want a JSON object", modelType, foundInstead(err))
	}
	if keys == nil {
		return nil, tensor.Damagedf("%s config: found null, want a JSON object", modelType)
	}
	if err := checkModelType(keys, modelType); err != nil {
		return nil, err
	}
	for _, f := range fields {
		value, ok := keys[f.key]
		if !ok {
			continue
		}
		delete(keys, f.key)
		if want := f.set(value); want != "" {
			return nil, tensor.Damagedf("%s config: key %q: found %s, want %s", modelType, f.key, excerpt(value), want)
		}
	}
	return keys, nil
}

// foundInstead says what stands where a JSON object is wanted.
func foundInstead(err error) string {
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		return "found a JSON " + kind.Value
	}
	return fmt.Sprintf("found no JSON (%v)", err)
}

// checkModelType refuses another model's configuration and removes the key.
func checkModelType(keys map[string]json.RawMessage, want string) error {
	value, ok := keys["model_type"]
	if !ok {
		return nil
	}
	delete(keys, "model_type")
	if got, ok := text(value); !ok || got != want {
		return tensor.Damagedf("%s config: key \"model_type\": found %s, want %q: this is the configuration of another model", want, excerpt(value), want)
	}
	return nil
}

// set stores the JSON value and returns "", or returns what was wanted.
func (f field) set(value json.RawMessage) (want string) {
	ok := false
	switch v := f.value.(type) {
	case *int:
		*v, ok = integer(value)
		want = "an integer"
	case integral:
		*v.value, ok = wholeNumber(value)
		want = "a whole number"
	case *float64:
		*v, ok = number(value)
		want = "a finite number"
	case **float64:
		var x float64
		if string(value) == "null" {
			*v = nil
			return ""
		}
		x, ok = number(value)
		*v = &x
		want = "a finite number or null"
	case *bool:
		*v, ok = truth(value)
		want = "true or false"
	case *string:
		*v, ok = text(value)
		want = "a string"
	}
	if ok {
		return ""
	}
	return want
}

func integer(value json.RawMessage) (int, bool) {
	n, err := strconv.ParseInt(string(value), 10, 64)
	return int(n), err == nil
}

func wholeNumber(value json.RawMessage) (int, bool) {
	if n, ok := integer(value); ok {
		return n, true
	}
	x, ok := number(value)
	return int(x), ok && x == math.Trunc(x) && math.Abs(x) <= 1<<53
}

func number(value json.RawMessage) (float64, bool) {
	if len(value) == 0 || !strings.ContainsRune("-0123456789", rune(value[0])) {
		return 0, false
	}
	x, err := strconv.ParseFloat(string(value), 64)
	return x, err == nil && !math.IsInf(x, 0)
}

// truth follows Python's rules for what stands for a truth value: null and 0
// are false, other numbers true. Strings and containers, for which Python goes
// by their length, are refused.
func truth(value json.RawMessage) (bool, bool) {
	switch string(value) {
	case "true":
		return true, true
	case "false", "null":
		return false, true
	}
	x, ok := number(value)
	return x != 0, ok
}

func text(value json.RawMessage) (string, bool) {
	var s *string
	err := json.Unmarshal(value, &s)
	if err != nil || s == nil {
		return "", false
	}
	return *s, true
}

// excerpt returns a JSON value, cut and printable, for an error line.
func excerpt(value json.RawMessage) string {
	const limit = 40
	s := strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) {
			return ' '
		}
		return r
	}, string(value))
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "…"
	}
	return s
}

// encode writes the fields and the extra keys, sorted.
func encode(modelType string, fields []field, extra map[string]json.RawMessage) ([]byte, error) {
	all := make(map[string]any, len(fields)+len(extra)+1)
	for key, value := range extra {
		all[key] = value
	}
	for _, f := range fields {
		all[f.key] = f.value
	}
	all["model_type"] = modelType
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(all); err != nil {
		return nil, fmt.Errorf("%s config: %w", modelType, err)
	}
	return bytes.TrimSpace(b.Bytes()), nil
}
