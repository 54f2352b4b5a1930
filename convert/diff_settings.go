package convert

import (
	"bytes"
	"fmt"
	"reflect"

	"colakit/formats/hf"
)

// compareSettings compares what both sides hold beside tensors: the fields of the
// configurations, defaults filled in, and the tokenizers' bytes.
func compareSettings(a, b *Collection) []string {
	all := []string{}
	add := func(what string, diffs []string) {
		for _, d := range diffs {
			all = append(all, what+": "+d)
		}
	}
	add("prior", compareConfigs(a.Meta.DiTConfig, b.Meta.DiTConfig, hf.ParseDiTConfig))
	add("text VAE", compareConfigs(a.Meta.VAEConfig, b.Meta.VAEConfig, hf.ParseVAEConfig))
	x, y := a.Meta.Tokenizer, b.Meta.Tokenizer
	if len(x) > 0 && len(y) > 0 && !bytes.Equal(x, y) {
		all = append(all, fmt.Sprintf("tokenizer: %d and %d bytes that differ", len(x), len(y)))
	}
	return all
}

// compareConfigs lists the fields in which two configurations differ; without
// one of them there is nothing to compare.
func compareConfigs[C any](a, b []byte, parse func([]byte) (C, error)) []string {
	if len(a) == 0 || len(b) == 0 || bytes.Equal(a, b) {
		return nil
	}
	x, errA := parse(hf.Architecture(a))
	y, errB := parse(hf.Architecture(b))
	if errA != nil || errB != nil {
		return []string{"config.json differs, and is not valid on both sides"}
	}
	var all []string
	vx, vy := reflect.ValueOf(x), reflect.ValueOf(y)
	for i := range vx.NumField() {
		field := vx.Type().Field(i)
		if field.Name == "Extra" { // what has no effect on the numbers
			continue
		}
		if p, q := plain(vx.Field(i)), plain(vy.Field(i)); p != q {
			all = append(all, fmt.Sprintf("%s is %s and %s", field.Name, p, q))
		}
	}
	return all
}

// plain formats a field; a pointer as what it points to.
func plain(v reflect.Value) string {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return "null"
		}
		v = v.Elem()
	}
	return fmt.Sprint(v.Interface())
}
