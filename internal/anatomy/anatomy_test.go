package anatomy

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDescription: text and JSON say the same.
func TestDescription(t *testing.T) {
	var d Description
	d.Title("head", "offset, bytes, meaning")
	d.Part(0, 8, "magic", nil)
	d.Title("index", "")
	d.Part(8, 100, "2 tensors", errors.New("too long"))
	d.Problem("%d tensors are missing", 2)
	const text = `head: offset, bytes, meaning
           0            8  magic
index
           8          100  2 tensors  ✗ too long
✗ 2 tensors are missing
`
	if diff := cmp.Diff(text, d.String()); diff != "" {
		t.Error(diff)
	}
	const parts = `[{"of":"head","offset":0,"bytes":8,"what":"magic"},` +
		`{"of":"index","offset":8,"bytes":100,"what":"2 tensors","damage":"too long"},` +
		`{"of":"index","damage":"2 tensors are missing"}]`
	got, err := json.Marshal(d.Parts())
	if diff := cmp.Diff(parts, string(got)); err != nil || diff != "" {
		t.Error(err, diff)
	}
}
