package convert

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"colakit/formats/cola"
	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/internal/blake3"
	"colakit/internal/synth"
	"colakit/quantize"
)

// forge writes an artifact of the small configuration with changed tensors, whose
// checksums are right.
func forge(t *testing.T, change func([]tensor.View) []tensor.View) string {
	t.Helper()
	config, err := hf.ParseConfig([]byte(smallDiT), []byte(smallVAE))
	if err != nil {
		t.Fatal(err)
	}
	src := synth.NewSource(config, dtype.F32, 1)
	var views []tensor.View
	for _, d := range src.Descs() {
		v, err := src.Read(d.Name)
		if err != nil {
			t.Fatal(err)
		}
		views = append(views, v)
	}
	return writeArtifact(t, change(views))
}

func writeArtifact(t *testing.T, views []tensor.View) string {
	t.Helper()
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
		if err := w.WriteChunk(i, 0, v.Data, blake3.Of(v.Data)); err != nil {
			t.Fatal(err)
		}
	}
	meta := cola.Meta{DiTConfig: []byte(smallDiT), VAEConfig: []byte(smallVAE), Provenance: []byte("{}")}
	if _, _, err := w.Finish(meta); err != nil {
		t.Fatal(err)
	}
	return out.Name()
}

const weight = "dit.blocks.0.mlp.proj_in.weight"

func one(name string, change func(*tensor.View)) func([]tensor.View) []tensor.View {
	return func(views []tensor.View) []tensor.View {
		for i := range views {
			if views[i].Name == name {
				change(&views[i])
			}
		}
		return views
	}
}

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		change       func([]tensor.View) []tensor.View
		stage, text  string
		damage, note bool
	}{
		"sound": {func(v []tensor.View) []tensor.View { return v }, "", "", false, false},
		"NaN": {one(weight, func(v *tensor.View) { v.Data = encoded(t, v.Data, 40, 0x7fc00000) }),
			"values", "1 NaN and 0 Inf, the first at [1, 8]", true, false},
		"Inf": {one(weight, func(v *tensor.View) { v.Data = encoded(t, v.Data, 0, 0xff800000) }),
			"values", "0 NaN and 1 Inf, the first at [0, 0]", true, false},
		"zeros":       {one(weight, func(v *tensor.View) { v.Data = make([]byte, len(v.Data)) }), "values", "is all zeros", false, true},
		"zero vector": {one("dit.blocks.0.mlp.proj_in.bias", func(v *tensor.View) { v.Data = make([]byte, len(v.Data)) }), "", "", false, false},
		"misshaped": {one(weight, func(v *tensor.View) { v.Shape = tensor.Shape{32, 64} }),
			"inventory", "has shape [32, 64], want [64, 32]", true, false},
		"missing": {func(v []tensor.View) []tensor.View { return v[1:] }, "inventory", `"dit.txt_in.proj.weight" [32, 16] is missing`, true, false},
		"extra": {func(v []tensor.View) []tensor.View {
			return append(v, tensor.FromFloat32s("dit.txt_in.proj.weights", tensor.Shape{1}, []float32{1}))
		}, "inventory", `nearest expected name is "dit.txt_in.proj.weight"`, true, false},
	} {
		r, err := Check(t.Context(), forge(t, c.change), CheckOptions{Jobs: 2})
		if err != nil {
			t.Fatal(err)
		}
		if errors.Is(r.Err(), tensor.ErrDamaged) != c.damage || (len(r.Notes) > 0) != c.note {
			t.Errorf("%s: damage %v, notes %v", name, r.Damage, r.Notes)
		}
		for _, f := range append(r.Damage, r.Notes...) {
			if f.Stage != c.stage || !strings.Contains(f.Text, c.text) {
				t.Errorf("%s: found %+v, want %s: %q", name, f, c.stage, c.text)
			}
		}
	}
}

// encoded returns data with the code of one float32 replaced.
func encoded(t *testing.T, data []byte, index int, code uint32) []byte {
	t.Helper()
	data = append([]byte(nil), data...)
	for i := range 4 {
		data[4*index+i] = byte(code >> (8 * i))
	}
	return data
}

// TestCheckFlippedBits flips bits all over a converted artifact.
func TestCheckFlippedBits(t *testing.T) {
	out := convertTo(t, small(t), quantize.F16, ExecuteOptions{})
	data := readFile(t, out)
	for at := 0; at < len(data); at += 4099 {
		data[at] ^= 1 << (at % 8)
		writeFile(t, out, data)
		r, err := Check(t.Context(), out, CheckOptions{Jobs: 1})
		if err != nil || !errors.Is(r.Err(), tensor.ErrDamaged) {
			t.Errorf("bit %d of byte %d: %v, %v", at%8, at, err, r.Err())
		}
		data[at] ^= 1 << (at % 8)
	}
}

func TestCheckOpenErrors(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing.cola")
	if _, err := Check(t.Context(), missing, CheckOptions{}); err == nil || errors.Is(err, tensor.ErrDamaged) {
		t.Errorf("a missing file: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Check(ctx, convertTo(t, small(t), quantize.F16, ExecuteOptions{}), CheckOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestInspect(t *testing.T) {
	src := small(t)
	out := convertTo(t, src, quantize.BF16, ExecuteOptions{})
	for _, path := range []string{out, ditWeights(src)} {
		i, err := Inspect(path)
		if err != nil || len(i.Tensors) == 0 {
			t.Fatalf("%s: %v", path, err)
		}
		var text, js strings.Builder
		if err := errors.Join(i.WriteText(&text), WriteJSON(&js, i)); err != nil {
			t.Fatal(err)
		}
		for _, line := range i.Tensors {
			if !strings.Contains(text.String(), line.Name) {
				t.Errorf("%s: the text lacks %s", path, line.Name)
			}
		}
		if !json.Valid([]byte(js.String())) {
			t.Errorf("%s: not JSON", path)
		}
	}
}

func TestInspectTensor(t *testing.T) {
	path := forge(t, one(weight, func(v *tensor.View) { v.Data = encoded(t, v.Data, 1, 0x7fc00000) }))
	data := readFile(t, path)
	i, err := InspectTensor(path, weight)
	var text, js strings.Builder
	if err != nil || errors.Join(i.WriteText(&text), WriteJSON(&js, i)) != nil {
		t.Fatal(err)
	}
	if i.Statistics.NaN != 1 || len(i.First) != firstValues || !strings.Contains(js.String(), `"NaN"`) || !strings.Contains(text.String(), "NaN") {
		t.Errorf("described as %+v\n%s\n%s", i, text.String(), js.String())
	}
	_, err = InspectTensor(path, "dit.blocks.0.mlp.proj_in.wieght")
	wantError(t, err, weight, "nearest")

	// A damaged tensor is described, and the error says that it is damaged.
	f := openArtifact(t, path)
	data[f.Entries()[0].Offset] ^= 1
	writeFile(t, path, data)
	i, err = InspectTensor(path, f.Entries()[0].Name)
	if !errors.Is(err, tensor.ErrDamaged) || len(i.First) == 0 {
		t.Errorf("a damaged tensor: %v, %v", err, i.First)
	}
}

func TestSummaryText(t *testing.T) {
	src := small(t)
	c := prepare(t, Options{Source: src, Type: quantize.BF16})
	s, err := c.Execute(t.Context(), filepath.Join(t.TempDir(), "out.cola"), ExecuteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := s.WriteText(&text, c.Plan); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"rounded to bf16", "copied as f32", "rel-L2", "unverified", s.Root.String()} {
		if !strings.Contains(text.String(), part) {
			t.Errorf("the summary lacks %q:\n%s", part, text.String())
		}
	}
}
