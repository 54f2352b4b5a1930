package mmap

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"colakit/internal/blake3"
)

// TestGuard truncates a mapped file and reads behind its new end, by Go code
// and by the assembly that copies and hashes.
func TestGuard(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, make([]byte, 1<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	m, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := os.Truncate(path, 4096); err != nil {
		t.Fatal(err)
	}
	sum := 0
	reads := map[string]func() error{
		"loop": func() error {
			for _, b := range m.Bytes() {
				sum += int(b)
			}
			return nil
		},
		"copy": func() error { copy(make([]byte, 1<<20), m.Bytes()); return nil },
		"hash": func() error { blake3.Of(m.Bytes()); return nil },
	}
	for name, read := range reads {
		if err := Guard(path, read); !errors.Is(err, ErrChanged) {
			t.Errorf("%s over a truncated file: %v", name, err)
		}
	}
}

func TestGuardPassesErrors(t *testing.T) {
	want := errors.New("its own")
	if err := Guard("file", func() error { return want }); err != want {
		t.Errorf("got %v, want the function's own error", err)
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
