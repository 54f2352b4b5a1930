package convert

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"colakit/formats/cola"
	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/formats/safetensors"
	"colakit/formats/tensor"
	"colakit/golden"
	"colakit/internal/synth"
	"colakit/quantize"
)

const (
	smallDiT = `{"txt_dim": 32, "emb_dim": 32, "heads": 2, "head_dim": 16, "expand_ratio": 2, "num_layers": 2, "rope_dim": 8}`
	smallVAE = `{"vocab_size": 300, "dim": 32, "ffn_dim": 64, "num_heads": 2, "encoder_num_blocks": 1, "decoder_num_blocks": 1}`
	// wideVAE has an embedding and a head of several chunks.
	wideVAE = `{"vocab_size": 40000, "dim": 64, "ffn_dim": 64, "num_heads": 2, "encoder_num_blocks": 1, "decoder_num_blocks": 1}`
)

// checkpointDir writes a checkpoint of the configurations, with the tokenizer of
// the embedded model, and returns its folder.
func checkpointDir(t testing.TB, dit, vae string, o synth.Options) string {
	t.Helper()
	config, err := hf.ParseConfig([]byte(dit), []byte(vae))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := synth.WriteCheckpoint(t.Context(), dir, config, o); err != nil {
		t.Fatal(err)
	}
	raw, err := fs.ReadFile(golden.Tiny(), "tokenizer.json")
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "tokenizer.json"), raw)
	return dir
}

// small returns the folder of a small checkpoint.
func small(t testing.TB) string {
	return checkpointDir(t, smallDiT, smallVAE, synth.Options{Type: dtype.F32})
}

func writeFile(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func ditWeights(dir string) string {
	return filepath.Join(dir, "cola_dlm", "cola_dit", "model.safetensors")
}

// edit rewrites a weight file with changed tensors.
func edit(t testing.TB, path string, change func([]tensor.View) []tensor.View) {
	t.Helper()
	f, err := safetensors.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var views []tensor.View
	for _, d := range f.Descs() {
		v, err := f.Read(d.Name)
		if err != nil {
			t.Fatal(err)
		}
		v.Data = bytes.Clone(v.Data)
		views = append(views, v)
	}
	other := path + ".new"
	if err := safetensors.WriteFile(other, f.Metadata(), change(views)); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(other, path); err != nil {
		t.Fatal(err)
	}
}

// editTensor changes one tensor of a weight file.
func editTensor(t testing.TB, path, name string, change func(*tensor.View)) {
	t.Helper()
	edit(t, path, func(views []tensor.View) []tensor.View {
		for i := range views {
			if views[i].Name == name {
				change(&views[i])
				return views
			}
		}
		t.Fatalf("%s has no tensor %q", path, name)
		return nil
	})
}

// setValue sets an element of an F32 tensor.
func setValue(index int, value float32) func(*tensor.View) {
	return func(v *tensor.View) {
		if err := dtype.FromFloat32s(v.Data[4*index:4*index+4], []float32{value}, dtype.F32); err != nil {
			panic(err)
		}
	}
}

// convertTo converts a checkpoint to a new file and returns its path.
func convertTo(t testing.TB, src string, s quantize.Scheme, e ExecuteOptions) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out.cola")
	c := prepare(t, Options{Source: src, Type: s})
	if _, err := c.Execute(t.Context(), out, e); err != nil {
		t.Fatal(err)
	}
	return out
}

func prepare(t testing.TB, o Options) *Conversion {
	t.Helper()
	c, err := Prepare(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func openArtifact(t testing.TB, path string) *cola.File {
	t.Helper()
	f, err := cola.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// wantError checks that an error is there and holds all parts.
func wantError(t testing.TB, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want one with %q", parts)
		return
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q lacks %q", err, part)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("error %q is not one line", err)
	}
}

// wantOnly checks that a folder holds just these files: nothing temporary is left.
func wantOnly(t testing.TB, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(names, " ") {
		t.Errorf("%s holds %q, want %q", dir, got, names)
	}
}
