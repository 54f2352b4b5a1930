package export

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"colakit/formats/gguf"
	"colakit/formats/safetensors"
	"colakit/formats/tensor"
	"colakit/golden"
	"colakit/quantize"
)

// pythonCase is an export that testdata/load.py loads.
type pythonCase struct {
	Kind Format `json:"kind"`
	Path string `json:"path"`
	Type string `json:"type"`
}

// TestPython loads exports of the embedded model with the real packages. It runs
// where COLAKIT_PYTHON names a Python with convert/export/requirements.txt; the
// classes of the public package are tried where it is installed or COLA_DLM names
// its folder. scripts/test-exports.sh creates the environment.
func TestPython(t *testing.T) {
	python := os.Getenv("COLAKIT_PYTHON")
	if python == "" {
		t.Skip("not run: COLAKIT_PYTHON names no Python with convert/export/requirements.txt, so no export was loaded there")
	}
	const probed = "import torch, transformers, tokenizers, safetensors, compressed_tensors, gguf"
	if text, err := exec.CommandContext(t.Context(), python, "-c", probed).CombinedOutput(); err != nil {
		t.Skipf("not run: %s lacks packages of convert/export/requirements.txt: %.300s", python, text)
	}
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "checkpoint"), golden.Tiny()); err != nil {
		t.Fatal(err)
	}
	cases := pythonExports(t, dir)
	raw, err := json.Marshal(cases)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "cases.json"), raw, 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), python, "-B", "-W", "ignore", "testdata/load.py", dir).CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if ok := strings.HasPrefix(line, "ok "); ok || strings.HasPrefix(line, "not run") {
			t.Log(strings.TrimSpace(line))
		}
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// pythonExports exports the embedded model in every format and type, from float
// and from int8 artifacts.
func pythonExports(t *testing.T, dir string) []pythonCase {
	t.Helper()
	var cases []pythonCase
	for _, from := range []struct {
		scheme quantize.Scheme
		to     []Options
	}{
		{quantize.F32, []Options{
			{Format: SafeTensors}, {Format: SafeTensors, Type: "f16"}, {Format: SafeTensors, Type: "bf16", ShardBytes: 400_000},
			{Format: CompressedTensors, Type: "int8"}, {Format: CompressedTensors, Type: "int8-g32"}, {Format: CompressedTensors, Type: "int8-g64", ShardBytes: 400_000},
			{Format: GGUF}, {Format: GGUF, Type: "f16"}, {Format: GGUF, Type: "bf16"}, {Format: GGUF, Type: "q8_0"},
		}},
		{quantize.F16, []Options{{Format: SafeTensors}, {Format: GGUF}}},
		{quantize.Int8, []Options{{Format: CompressedTensors}, {Format: GGUF, Type: "q8_0"}}},
		{quantize.Int8G32, []Options{{Format: CompressedTensors}, {Format: GGUF}}},
	} {
		path := artifact(t, from.scheme)
		for _, o := range from.to {
			name := strings.Trim(strings.Join([]string{from.scheme.String(), string(o.Format), o.Type}, "-"), "-")
			e, err := Prepare(path, o)
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			if _, err := e.Execute(t.Context(), filepath.Join(dir, name), ExecuteOptions{}); err != nil {
				t.Fatal(err)
			}
			if o.Format == GGUF {
				writeDecoded(t, filepath.Join(dir, name))
			}
			cases = append(cases, pythonCase{o.Format, name, o.Type})
		}
	}
	return cases
}

// writeDecoded writes the tensors of a GGUF file as our reader decodes them.
func writeDecoded(t *testing.T, path string) {
	t.Helper()
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var views []tensor.View
	for _, e := range f.Entries() {
		values, err := f.Dequantize(e.Name)
		if err != nil {
			t.Fatal(err)
		}
		views = append(views, tensor.FromFloat32s(e.Name, e.Shape, values))
	}
	if err := safetensors.WriteFile(path+".decoded.safetensors", nil, views); err != nil {
		t.Fatal(err)
	}
}
