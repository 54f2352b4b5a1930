package verify_test

import (
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/verify"
)

// computed are the fields that no struct field stands for.
var computed = map[string][]string{"Summary": {"sqnr_db"}}

// TestSchemaIsDocumented: docs/report-schema.md has a table for each type of a report
// in JSON, with a row for each field, and nothing else.
func TestSchemaIsDocumented(t *testing.T) {
	raw, err := os.ReadFile("../docs/report-schema.md")
	check(t, err)
	want := map[string][]string{}
	fields(reflect.TypeFor[verify.Suite](), want)
	if diff := cmp.Diff(want, documented(string(raw))); diff != "" {
		t.Errorf("docs/report-schema.md (-fields of the code +documented)\n%s", diff)
	}
	if !strings.Contains(string(raw), "Version "+string(rune('0'+verify.SchemaVersion))+" ") {
		t.Errorf("docs/report-schema.md does not say what version %d is", verify.SchemaVersion)
	}
}

// fields adds the JSON names of a type and of the types it holds.
func fields(typ reflect.Type, into map[string][]string) {
	switch typ.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		if typ != reflect.TypeFor[json.RawMessage]() {
			fields(typ.Elem(), into)
		}
		return
	case reflect.Struct:
	default:
		return
	}
	name := typ.Name()
	if into[name] != nil {
		return
	}
	into[name] = []string{}
	var own []string
	collect(typ, &own, into)
	own = append(own, computed[name]...)
	slices.Sort(own)
	into[name] = own
}

func collect(typ reflect.Type, own *[]string, into map[string][]string) {
	for i := range typ.NumField() {
		f := typ.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			collect(f.Type, own, into)
		case !f.IsExported() || name == "-":
		default:
			if name == "" {
				name = f.Name
			}
			*own = append(*own, name)
			fields(f.Type, into)
		}
	}
}

var (
	heading = regexp.MustCompile("^## `(\\w+)`")
	row     = regexp.MustCompile("^\\| `(\\w+)` \\| [^|]+ \\| [^|]+ \\|$")
)

// documented reads the tables: those below a heading that names a type.
func documented(text string) map[string][]string {
	found := map[string][]string{}
	name := ""
	for _, line := range strings.Split(text, "\n") {
		if m := heading.FindStringSubmatch(line); m != nil {
			name = m[1]
			found[name] = []string{}
		} else if strings.HasPrefix(line, "## ") {
			name = ""
		}
		if m := row.FindStringSubmatch(line); m != nil && name != "" {
			found[name] = append(found[name], m[1])
		}
	}
	for _, own := range found {
		slices.Sort(own)
	}
	return found
}
