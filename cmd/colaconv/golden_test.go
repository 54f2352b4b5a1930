package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"colakit/convert"
	"colakit/formats/safetensors"
	"colakit/formats/tensor"
	"colakit/golden"
	"colakit/internal/command"
)

// transposed is the source's tensor that transpose writes by columns.
const transposed = "blocks.0.msa.proj_out.weight"

// transpose writes a square matrix of the checkpoint by columns.
func transpose(t *testing.T, src string) {
	t.Helper()
	path := filepath.Join(src, "cola_dit", "model.safetensors")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file, err := safetensors.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	var views []tensor.View
	for _, d := range file.Descs() {
		v, err := file.Read(d.Name)
		if err != nil {
			t.Fatal(err)
		}
		if d.Name == transposed {
			n, size := d.Shape[0], d.Type.Size()
			if len(d.Shape) != 2 || d.Shape[1] != n {
				t.Fatalf("%s is %v", d.Name, d.Shape)
			}
			data := make([]byte, len(v.Data))
			for i := range n {
				for j := range n {
					copy(data[(i*n+j)*size:], v.Data[(j*n+i)*size:(j*n+i+1)*size])
				}
			}
			v.Data = data
		}
		views = append(views, v)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := safetensors.WriteFile(path, nil, views); err != nil {
		t.Fatal(err)
	}
}

// TestGolden: verdicts are stored, the same every time, in a sound artifact that
// holds the same tensors as one without.
func TestGolden(t *testing.T) {
	src, dir := checkpoint(t), t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	if err := os.CopyFS(path("mine"), golden.TinyBundles()[1].Files); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		out  string // part of stdout
	}{
		{[]string{"convert", src, "-o", path("plain.cola")}, "state    unverified: run"},
		{[]string{"convert", src, "-o", path("a.cola"), "--golden", "released-layers", "--golden", path("mine")}, "state    verified against released-layers (released, layers): "},
		{[]string{"convert", src, "-o", path("b.cola"), "--golden", "released-layers", "--golden", path("mine"), "--jobs", "1", "--json"}, `"state": "verified"`},
		{[]string{"convert", src, "-o", path("c.cola"), "--golden", "released-layers", "--golden", path("mine"), "--resume"}, "verified against mine (exact, layers): "},
		{[]string{"check", path("a.cola")}, "is sound"},
		{[]string{"inspect", path("a.cola")}, "verified against mine (exact, layers): "},
		{[]string{"diff", path("a.cola"), path("plain.cola")}, ""},
	} {
		code, stdout, stderr := colaconv(t, c.args...)
		if code != 0 || stderr != "" || !strings.Contains(stdout, c.out) {
			t.Errorf("colaconv %q: code %d\nstdout %q\nstderr %q", c.args, code, stdout, stderr)
		}
	}
	first := read(t, path("a.cola"))
	if !bytes.Equal(first, read(t, path("b.cola"))) || !bytes.Equal(first, read(t, path("c.cola"))) {
		t.Error("the same conversion and bundles give other bytes")
	}
	i, err := convert.Inspect(path("a.cola"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := golden.Open(path("mine"))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	v := i.Provenance.Verification
	if len(v.Bundles) != 2 || v.State != convert.Verified || v.Bundles[1].SHA256 != b.Sum() || v.Bundles[1].Compared == 0 {
		t.Errorf("stored: %+v", v)
	}
	if i.Provenance.Plan.OutputBytes != i.Bytes {
		t.Errorf("%d bytes, %d were planned", i.Bytes, i.Provenance.Plan.OutputBytes)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestGoldenFails: a transposed matrix is code 1, the operation is named, and the
// output is as it was.
func TestGoldenFails(t *testing.T) {
	src := checkpoint(t)
	transpose(t, src)
	for _, flags := range [][]string{nil, {"--resume"}} {
		out := outputs(t)
		code, stdout, stderr := colaconv(t, append([]string{"convert", src, "-o", out, "--force", "--golden", "exact-ops"}, flags...)...)
		if code != command.Wrong || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "dit.blocks.0.msa.out") || !strings.Contains(stderr, "exact-ops") {
			t.Errorf("%q: code %d\nstdout %q\nstderr %q", flags, code, stdout, stderr)
		}
		leftovers(t, out)
		onlyIn(t, filepath.Dir(out), "out.cola")
	}
}

func onlyIn(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if err != nil || strings.Join(got, " ") != strings.Join(names, " ") {
		t.Errorf("%s holds %q, %v; want %q", dir, got, err, names)
	}
}

// TestGoldenInterrupted interrupts while the artifact is verified.
func TestGoldenInterrupted(t *testing.T) {
	src, out := checkpoint(t), outputs(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var o bytes.Buffer
	verifying := 0
	e := writerFunc(func(p []byte) (int, error) {
		if bytes.Contains(p, []byte("verify: exact-layers")) {
			verifying++
			cancel()
		}
		return len(p), nil
	})
	code := program().Run(ctx, command.Streams{Out: &o, Err: e}, []string{"convert", src, "-o", out, "--force", "--golden", "exact-layers", "--progress", "json"})
	if code != command.Interrupted || verifying == 0 || o.Len() > 0 {
		t.Errorf("code %d after %d reports, stdout %q", code, verifying, o.String())
	}
	leftovers(t, out)
	onlyIn(t, filepath.Dir(out), "out.cola")
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// TestGoldenRefused: bundles that don't fit are refused before any work.
func TestGoldenRefused(t *testing.T) {
	src, dir := checkpoint(t), t.TempDir()
	other := filepath.Join(dir, "other")
	if err := os.CopyFS(other, golden.TinyBundles()[1].Files); err != nil {
		t.Fatal(err)
	}
	var info map[string]json.RawMessage
	if err := json.Unmarshal(read(t, filepath.Join(other, golden.InfoName)), &info); err != nil {
		t.Fatal(err)
	}
	info["model"] = bytes.Replace(info["model"], []byte(`"num_layers":4`), []byte(`"num_layers":5`), 1)
	raw, err := json.Marshal(info)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(other, golden.InfoName), raw, 0o644); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "x.cola")
	for _, c := range []struct {
		flags []string
		want  string
	}{
		{[]string{"--golden", "exact-opps"}, "--golden: no folder exact-opps; embedded bundles are exact-ops"},
		{[]string{"--golden", "exact-ops", "--golden", other}, "is another model than the one bundle other was recorded from"},
		{[]string{"--golden", "exact-ops", "--ada", "table"}, "can't be compared with bundle exact-ops"},
		{[]string{"--golden", other, "--dry-run"}, "is another model"},
		{[]string{"--golden", "exact-ops", "--to", "gguf"}, "no place for the verdict"},
	} {
		code, stdout, stderr := colaconv(t, append([]string{"convert", src, "-o", out}, c.flags...)...)
		if code != command.Usage || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, c.want) {
			t.Errorf("%q: code %d\nstdout %q\nstderr %q", c.flags, code, stdout, stderr)
		}
	}
	onlyIn(t, filepath.Dir(out))
}
