package convert

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"colakit/formats/cola"
	"colakit/formats/dtype"
	"colakit/formats/tensor"
	"colakit/internal/blake3"
	"colakit/quantize"
)

// rewrite writes the tensors of an artifact again, changed, with right checksums,
// and its sections, changed too.
func rewrite(t *testing.T, from string, change func([]tensor.View), sections func(*cola.Meta)) string {
	t.Helper()
	f := openArtifact(t, from)
	meta, err := f.Meta()
	if err != nil {
		t.Fatal(err)
	}
	sections(&meta)
	var views []tensor.View
	for _, d := range f.Descs() {
		v, err := f.Read(d.Name)
		if err != nil {
			t.Fatal(err)
		}
		v.Data, v.Scales = bytes.Clone(v.Data), bytes.Clone(v.Scales)
		views = append(views, v)
	}
	change(views)
	out, err := os.Create(filepath.Join(t.TempDir(), "forged.cola"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	descs := make([]tensor.Desc, len(views))
	for i, v := range views {
		descs[i] = v.Desc
	}
	w, err := cola.NewWriter(out, descs)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range views {
		err := w.WriteChunk(i, 0, v.Data, blake3.Of(v.Data))
		if v.Quantization != nil {
			err = errors.Join(err, w.WriteScales(i, 0, v.Scales, blake3.Of(v.Scales)))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := w.Finish(meta); err != nil {
		t.Fatal(err)
	}
	return out.Name()
}

// TestCheckCodes finds what no conversion writes: codes, scales, sections and plans
// that are not sound although their checksums are right.
func TestCheckCodes(t *testing.T) {
	from := convertTo(t, small(t), quantize.Int8G32, ExecuteOptions{})
	scale := func(bits uint16) func(v *tensor.View) {
		return func(v *tensor.View) { v.Scales[2*5], v.Scales[2*5+1] = byte(bits), byte(bits>>8) }
	}
	none := func(*cola.Meta) {}
	for name, c := range map[string]struct {
		change   func(*tensor.View)
		sections func(*cola.Meta)
		stage    string
		want     string
	}{
		"sound":            {func(*tensor.View) {}, none, "", ""},
		"code -128":        {func(v *tensor.View) { v.Data[32+3] = 0x80 }, none, "values", "the code −128, which is not used, at [1, 3]"},
		"negative scale":   {scale(0x8001), none, "values", "scale 0 of row 5"},
		"infinite scale":   {scale(0x7c00), none, "values", "is +Inf, want a finite one"},
		"scale of NaN":     {scale(0x7e00), none, "values", "is NaN, want a finite one"},
		"zeros":            {func(v *tensor.View) { clear(v.Data) }, none, "note", "is all zeros"},
		"tokenizer":        {func(*tensor.View) {}, func(m *cola.Meta) { m.Tokenizer = []byte("{") }, "provenance", "the tokenizer"},
		"generation":       {func(*tensor.View) {}, func(m *cola.Meta) { m.Generation = []byte("{") }, "provenance", "not JSON"},
		"provenance":       {func(*tensor.View) {}, func(m *cola.Meta) { m.Provenance = []byte("{") }, "provenance", "provenance"},
		"another plan":     {func(*tensor.View) {}, replaced(`"dit.txt_in.proj.bias"`, `"dit.txt_in.proj.bios"`), "provenance", `"dit.txt_in.proj.bias" is not in the plan`},
		"another type":     {func(*tensor.View) {}, replaced(`"to":"int8-g32"`, `"to":"int8-g64"`), "provenance", "its plan says int8-g64"},
		"another size":     {func(*tensor.View) {}, replaced(`"output_bytes":`, `"output_bytes":1`), "provenance", "its plan says 1"},
		"plan of one more": {func(v *tensor.View) {}, replaced(`"tensors":[`, `"tensors":[{"tensor":"x","to":"f32"},`), "provenance", `"x" is in the plan`},
	} {
		path := rewrite(t, from, func(views []tensor.View) { one(weight, c.change)(views) }, c.sections)
		r, err := Check(t.Context(), path, CheckOptions{Jobs: 2})
		if err != nil {
			t.Fatal(err)
		}
		stage, found := "", ""
		for _, f := range r.Damage {
			if stage == "" || f.Stage == c.stage {
				stage, found = f.Stage, found+f.Text
			}
		}
		for _, f := range r.Notes {
			if f.Stage == "values" {
				stage, found = "note", f.Text
			}
		}
		if stage != c.stage || !bytes.Contains([]byte(found), []byte(c.want)) {
			t.Errorf("%s: found %s: %q, want %s: %q", name, stage, found, c.stage, c.want)
		}
	}
}

// replaced changes a text in the provenance.
func replaced(from, to string) func(*cola.Meta) {
	return func(m *cola.Meta) { m.Provenance = bytes.Replace(m.Provenance, []byte(from), []byte(to), 1) }
}

// TestFirstBadScale looks at scales of both types.
func TestFirstBadScale(t *testing.T) {
	for _, c := range []struct {
		data []byte
		t    dtype.Type
		want int
	}{
		{[]byte{0, 0, 0xff, 0x7b}, dtype.F16, -1},
		{[]byte{0, 0, 0, 0xbc}, dtype.F16, 1},
		{[]byte{0, 0, 0x80, 0x3f, 0, 0, 0x80, 0x7f}, dtype.F32, 1},
		{nil, dtype.F32, -1},
	} {
		if got := firstBadScale(c.data, c.t); got != c.want {
			t.Errorf("% x: scale %d, want %d", c.data, got, c.want)
		}
	}
}
