package safetensors

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/internal/anatomy"
)

var update = flag.Bool("update", false, "write the golden descriptions anew")

// TestDescribe holds the descriptions of a sound file and of damaged ones to
// golden texts.
func TestDescribe(t *testing.T) {
	const (
		a = `"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}`
		b = `"b.weight":{"dtype":"BF16","shape":[4],"data_offsets":[24,32]}`
	)
	describeTo := map[string][]byte{
		"sound":     file(`{"__metadata__":{"format":"pt"},`+b+`,`+a+`}`, 32),
		"empty":     nil,
		"length":    append([]byte{255, 255, 255, 255, 255, 255, 255, 127}, "{}"...),
		"truncated": file(`{`+a+`,`+b+`}`, 30),
		"utf8":      file("{\"a\xff\":1}", 0),
		"syntax":    file(`{`+a+`,"b.weight":[}`, 32),
		"type":      file(`{"a":{"dtype":"F33","shape":[2,3],"data_offsets":[0,24]},`+b+`}`, 32),
		"size":      file(`{"a":{"dtype":"F32","shape":[2,4],"data_offsets":[0,24]},`+b+`}`, 32),
		"hole":      file(`{`+a+`,"b":{"dtype":"BF16","shape":[4],"data_offsets":[28,36]}}`, 36),
		"overlap":   file(`{`+a+`,"b":{"dtype":"BF16","shape":[4],"data_offsets":[20,28]}}`, 28),
		"twice":     file(`{`+a+`,"a":{"dtype":"BF16","shape":[4],"data_offsets":[24,32]}}`, 32),
		"far":       file(`{`+a+`,"b":{"dtype":"I8","shape":[1],"data_offsets":[9223372036854775806,9223372036854775807]}}`, 24),
	}
	var all strings.Builder
	names := []string{"sound", "empty", "length", "truncated", "utf8", "syntax", "type", "size", "hole", "overlap", "twice", "far"}
	for _, name := range names {
		path := filepath.Join(t.TempDir(), "x.safetensors")
		if err := os.WriteFile(path, describeTo[name], 0o644); err != nil {
			t.Fatal(err)
		}
		d, err := Describe(path)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_, broken := Parse(describeTo[name])
		if marked := damaged(d); marked != (broken != nil) {
			t.Errorf("%s: damage is shown: %v; the reader says %v", name, marked, broken)
		}
		all.WriteString("# " + name + "\n" + d.String() + "\n")
	}
	golden := filepath.Join("testdata", "describe.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(all.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if diff := cmp.Diff(string(want), all.String()); err != nil || diff != "" {
		t.Errorf("%v; run the test with -update if this is meant (-want +got)\n%s", err, diff)
	}
}

// damaged reports whether a description shows any damage.
func damaged(d *anatomy.Description) bool {
	return slices.ContainsFunc(d.Parts(), func(p anatomy.Part) bool { return p.Damage != "" })
}
