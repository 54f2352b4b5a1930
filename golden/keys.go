package golden

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"colakit/formats/tensor"
)

// checkKeys reports a key of the JSON of a t that its format does not have, or one
// that is missing; only those marked omitempty may be. where is the place of raw
// in the file, "" for all of it.
func checkKeys(where string, raw json.RawMessage, t reflect.Type) error {
	switch t.Kind() {
	case reflect.Struct:
		return checkObject(where, raw, t)
	case reflect.Slice:
		if !nested(t.Elem()) {
			return nil
		}
		var items []json.RawMessage
		if err := json.Unmarshal(raw, &items); err != nil {
			return tensor.Damagedf("%snot a list: %v", prefix(where), err)
		}
		for i, item := range items {
			if err := checkKeys(fmt.Sprintf("%s[%d]", where, i), item, t.Elem()); err != nil {
				return err
			}
		}
	case reflect.Map:
		if !nested(t.Elem()) {
			return nil
		}
		items, err := object(where, raw)
		if err != nil {
			return err
		}
		for _, key := range slices.Sorted(maps.Keys(items)) {
			if err := checkKeys(fmt.Sprintf("%s[%q]", where, key), items[key], t.Elem()); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkObject(where string, raw json.RawMessage, t reflect.Type) error {
	found, err := object(where, raw)
	if err != nil {
		return err
	}
	for i := range t.NumField() {
		key, option, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		value, ok := found[key]
		delete(found, key)
		switch {
		case ok:
			if err := checkKeys(strings.TrimPrefix(where+"."+key, "."), value, t.Field(i).Type); err != nil {
				return err
			}
		case option != "omitempty":
			return tensor.Damagedf("%skey %q is missing; bundles of version %d have it", prefix(where), key, Version)
		}
	}
	if len(found) > 0 {
		return tensor.Damagedf("%skey %q is unknown; bundles of version %d have none of that name", prefix(where), slices.Min(slices.Collect(maps.Keys(found))), Version)
	}
	return nil
}

// object returns the values of a JSON object by key.
func object(where string, raw json.RawMessage) (map[string]json.RawMessage, error) {
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(raw, &keys); err != nil {
		return nil, tensor.Damagedf("%snot an object: %v", prefix(where), err)
	}
	return keys, nil
}

// nested reports whether values of a type hold keys of their own.
func nested(t reflect.Type) bool { return t.Kind() == reflect.Struct }

func prefix(where string) string {
	if where == "" {
		return ""
	}
	return where + ": "
}
