package export

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/convert"
	"colakit/formats/cola"
	"colakit/formats/dtype"
	"colakit/formats/safetensors"
	"colakit/golden"
	"colakit/quantize"
)

// TestFolderIsTheCheckpoint: from an f32 artifact every tensor, both configurations
// and the tokenizer are those of the source, in one file or in shards, and the
// folder converts to the same tensors again.
func TestFolderIsTheCheckpoint(t *testing.T) {
	from := artifact(t, quantize.F32)
	for _, o := range []Options{{Format: SafeTensors}, {Format: SafeTensors, Type: "f32", ShardBytes: 300_000}} {
		e, out := exported(t, from, o)
		if len(e.Notes) > 0 {
			t.Errorf("notes %q", e.Notes)
		}
		for _, name := range []string{"cola_dit/config.json", "cola_vae/config.json", "tokenizer.json", "generation.json"} {
			want, err := fs.ReadFile(golden.Tiny(), name)
			if err != nil {
				t.Fatal(err)
			}
			if got := contents(t, out)[name]; got != string(want) {
				t.Errorf("%s is not the checkpoint's", name)
			}
		}
		for _, model := range []string{"cola_dit", "cola_vae"} {
			source, err := safetensors.OpenFS(golden.Tiny(), model)
			if err != nil {
				t.Fatal(err)
			}
			compareFolders(t, source, open(t, filepath.Join(out, model)))
		}
		if shards := strings.Count(strings.Join(e.Files, " "), "model-0"); (shards > 4) != (o.ShardBytes > 0) {
			t.Errorf("%d shards of %d bytes", shards, o.ShardBytes)
		}
		compareAgain(t, from, out)
	}
}

func open(t *testing.T, dir string) *safetensors.Folder {
	t.Helper()
	f, err := safetensors.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func compareFolders(t *testing.T, want, got *safetensors.Folder) {
	t.Helper()
	if a, b := len(want.Descs()), len(got.Descs()); a != b {
		t.Errorf("%d tensors, want %d", b, a)
	}
	for _, d := range want.Descs() {
		a, err := want.Read(d.Name)
		if err != nil {
			t.Fatal(err)
		}
		b, err := got.Read(d.Name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(a.Desc, b.Desc); diff != "" || !bytes.Equal(a.Data, b.Data) {
			t.Fatalf("%s: other bytes, or (-want +got)\n%s", d.Name, diff)
		}
	}
}

// compareAgain converts a folder and compares the tensors with those of an artifact.
func compareAgain(t *testing.T, artifact, folder string) {
	t.Helper()
	c, err := convert.Prepare(convert.Options{Source: folder, Type: quantize.F32})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	again := filepath.Join(t.TempDir(), "again.cola")
	if _, err := c.Execute(t.Context(), again, convert.ExecuteOptions{}); err != nil {
		t.Fatal(err)
	}
	a, b := openCola(t, artifact), openCola(t, again)
	for i, e := range a.Entries() {
		if diff := cmp.Diff(e, b.Entries()[i]); diff != "" { // checksums among them
			t.Fatalf("(-artifact +again)\n%s", diff)
		}
	}
}

func openCola(t *testing.T, path string) *cola.File {
	t.Helper()
	f, err := cola.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// TestLoadType: config.json makes a loader keep what is stored, and is left alone
// where it does already.
func TestLoadType(t *testing.T) {
	f32, f16, bf16 := dtype.F32, dtype.F16, dtype.BF16
	is := func(to dtype.Type, from ...string) *step {
		s := &step{codec: floats{to}, Item: Item{To: to.String(), Class: "head"}}
		if len(from) > 0 {
			s.source.Quantization = &int8Row
		}
		return s
	}
	coded := &step{codec: codes{}, Item: Item{Class: "head"}}
	buffer := &step{codec: floats{f32}, Item: Item{To: "f32", Class: "buffer"}}
	for _, c := range []struct {
		name   string
		steps  []*step
		own    dtype.Type // Invalid: config.json names none
		asked  string
		want   dtype.Type
		change bool
	}{
		{"f32 of an f32 checkpoint", []*step{is(f32)}, f32, "", f32, false},
		{"mixed, of an f32 checkpoint", []*step{is(f16), is(f32)}, f32, "", f32, false},
		{"f32 of a bf16 checkpoint", []*step{is(f32)}, bf16, "f32", bf16, false},
		{"bf16 as stored of a bf16 checkpoint", []*step{is(bf16), is(f32)}, bf16, "", bf16, false},
		{"f16 of a bf16 checkpoint", []*step{is(f16), is(f32)}, bf16, "", f32, true},
		{"codes decoded, of a bf16 checkpoint", []*step{is(f32, "int8")}, bf16, "", f32, true},
		{"codes", []*step{coded, is(f16)}, bf16, "int8", f32, true},
		{"codes of an f32 checkpoint", []*step{coded, is(f16)}, f32, "int8", f32, false},
		{"no type named, f32", []*step{is(f32), is(f32)}, dtype.Invalid, "", f32, false},
		{"no type named, mixed", []*step{is(f16), is(f32)}, dtype.Invalid, "", f32, true},
		{"f16 asked for", []*step{is(f16), buffer}, f32, "f16", f16, true},
		{"f16 asked for, of an f16 checkpoint", []*step{is(f16)}, f16, "f16", f16, false},
		{"bf16 asked for, none named", []*step{is(bf16)}, dtype.Invalid, "bf16", bf16, true},
	} {
		got, change := loadType(c.steps, c.own, c.own != dtype.Invalid, c.asked)
		if got != c.want || change != c.change {
			t.Errorf("%s: %v, change %v; want %v, %v", c.name, got, change, c.want, c.change)
		}
	}
}

// TestTypesOfFolders: what is stored, and what both configurations say, by type.
func TestTypesOfFolders(t *testing.T) {
	for _, c := range []struct {
		from          quantize.Scheme
		typ           string
		matrix, norms dtype.Type
		load          string
	}{
		{quantize.F32, "f16", dtype.F16, dtype.F16, "float16"},
		{quantize.F32, "bf16", dtype.BF16, dtype.BF16, "bfloat16"},
		{quantize.BF16, "", dtype.BF16, dtype.F32, "float32"},
		{quantize.Int8, "", dtype.F32, dtype.F32, "float32"},
		{quantize.Int8G64, "bf16", dtype.BF16, dtype.BF16, "bfloat16"},
	} {
		_, out := exported(t, artifact(t, c.from), Options{Format: SafeTensors, Type: c.typ})
		for model, names := range map[string][2]string{
			"cola_dit": {"blocks.0.mlp.proj_in.weight", "txt_out_norm.weight"},
			"cola_vae": {"decoder.blocks.0.ffn_out.weight", "decoder.final_norm.bias"},
		} {
			f := open(t, filepath.Join(out, model))
			for i, want := range []dtype.Type{c.matrix, c.norms} {
				if v, err := f.Read(names[i]); err != nil || v.Type != want {
					t.Errorf("%v to %q: %s is %v, want %v (%v)", c.from, c.typ, names[i], v.Type, want, err)
				}
			}
			var config struct {
				Dtype string `json:"dtype"`
			}
			if err := json.Unmarshal([]byte(contents(t, out)[model+"/config.json"]), &config); err != nil || config.Dtype != c.load {
				t.Errorf("%v to %q: %s loads as %q, want %q (%v)", c.from, c.typ, model, config.Dtype, c.load, err)
			}
		}
	}
}

// TestWithKeys: values keep their spelling, and the older name of dtype goes.
func TestWithKeys(t *testing.T) {
	got, err := withKeys([]byte(`{"b":1e-05,"a":"<x>","torch_dtype":"float16","big":12345678901234567890}`), map[string]any{"dtype": "float32"})
	want := "{\n  \"a\": \"<x>\",\n  \"b\": 1e-05,\n  \"big\": 12345678901234567890,\n  \"dtype\": \"float32\"\n}\n"
	if diff := cmp.Diff(want, string(got)); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
}
