package export

import (
	"os"
	"path/filepath"
	"testing"

	"colakit/convert"
	"colakit/golden"
	"colakit/quantize"
)

// artifact converts the embedded model.
func artifact(t testing.TB, scheme quantize.Scheme) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "tiny-"+scheme.String()+".cola")
	if _, err := convert.FS(t.Context(), golden.Tiny(), out, convert.Options{Type: scheme}); err != nil {
		t.Fatal(err)
	}
	return out
}

// exported exports an artifact to a fresh folder and returns the output.
func exported(t testing.TB, artifact string, o Options) (*Export, string) {
	t.Helper()
	e, err := Prepare(artifact, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	out := filepath.Join(t.TempDir(), "out")
	s, err := e.Execute(t.Context(), out, ExecuteOptions{Jobs: 2})
	if err != nil {
		t.Fatal(err)
	}
	if size := sizeOf(t, out); size != e.Bytes || size != s.Bytes {
		t.Errorf("%v %s takes %d bytes, planned were %d", o.Format, o.Type, size, e.Bytes)
	}
	return e, out
}

// sizeOf returns the bytes of a file, or of all files of a folder.
func sizeOf(t testing.TB, path string) (size int64) {
	t.Helper()
	err := filepath.Walk(path, func(_ string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			size += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return size
}

// contents returns the files below a path, by name.
func contents(t testing.TB, path string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.Walk(path, func(p string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		raw, err := os.ReadFile(p)
		rel, _ := filepath.Rel(path, p)
		files[filepath.ToSlash(rel)] = string(raw)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
