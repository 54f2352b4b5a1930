package mapped

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"colakit/internal/blake3"
)

func write(t *testing.T, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t *testing.T, path string) *File {
	t.Helper()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestOpen(t *testing.T) {
	for _, want := range [][]byte{{}, []byte("x"), bytes.Repeat([]byte("0123456789"), 5000)} {
		f := open(t, write(t, want))
		if !bytes.Equal(f.Data(), want) {
			t.Errorf("%d bytes read back as %d others", len(want), len(f.Data()))
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		dir:                          "a folder",
		pipe:                         "a pipe",
		filepath.Join(dir, "nobody"): "no such file",
		"/dev/null":                  "a device",
	} {
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Open(%s) = %v, want an error with %q", path, err, want)
		}
	}
}

func TestReadAt(t *testing.T) {
	f := open(t, write(t, []byte("0123456789")))
	p := make([]byte, 4)
	if n, err := f.ReadAt(p, 3); n != 4 || err != nil || string(p) != "3456" {
		t.Errorf("read %d, %q, %v", n, p, err)
	}
	if n, err := f.ReadAt(p, 8); n != 2 || err != io.EOF {
		t.Errorf("read %d, %v at the end, want 2, EOF", n, err)
	}
	if n, err := f.ReadAt(p, 10); n != 0 || err != io.EOF {
		t.Errorf("read %d, %v behind the end, want 0, EOF", n, err)
	}
}

func TestUnchanged(t *testing.T) {
	path := write(t, []byte("before"))
	f := open(t, path)
	if err := f.Unchanged(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, time.Time{}, time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if err := f.Unchanged(); err == nil || !strings.Contains(err.Error(), "changed") {
		t.Errorf("after touching: %v", err)
	}
	os.Remove(path)
	if err := f.Unchanged(); err == nil || !strings.Contains(err.Error(), "vanished") {
		t.Errorf("after removing: %v", err)
	}
}

// TestGuard truncates a mapped file and reads behind its new end, by Go code
// and by the assembly that hashes.
func TestGuard(t *testing.T) {
	path := write(t, make([]byte, 1<<20))
	f := open(t, path)
	if err := os.Truncate(path, 4096); err != nil {
		t.Fatal(err)
	}
	sum := 0
	reads := map[string]func() error{
		"loop": func() error {
			for _, b := range f.Data() {
				sum += int(b)
			}
			return nil
		},
		"hash": func() error { blake3.Of(f.Data()); return nil },
		"copy": func() error { copy(make([]byte, 1<<20), f.Data()); return nil },
	}
	for name, read := range reads {
		if err := Guard(path, read); err == nil || !strings.Contains(err.Error(), "truncated") {
			t.Errorf("%s over a truncated file: %v", name, err)
		}
	}
}

func TestGuardPassesOtherPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("an index out of range was swallowed")
		}
	}()
	var none []int
	_ = Guard("file", func() error { _ = none[len(none)]; return nil })
}
