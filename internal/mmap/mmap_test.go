package mmap

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func write(t *testing.T, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func opened(t *testing.T, path string) *Map {
	t.Helper()
	m, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func TestBytesAreTheFile(t *testing.T) {
	for _, size := range []int{0, 1, 4095, 4096, 4097, 3*4096 + 5} {
		data := make([]byte, size)
		for i := range data {
			data[i] = byte(i * 7)
		}
		m := opened(t, write(t, data))
		if !bytes.Equal(m.Bytes(), data) {
			t.Errorf("%d bytes differ", size)
		}
		if err := m.Check(); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
		for from := 0; from <= size; from += 1000 {
			if err := m.Forget(m.Bytes()[from:]); err != nil {
				t.Errorf("forgetting from %d of %d: %v", from, size, err)
			}
		}
		if !bytes.Equal(m.Bytes(), data) {
			t.Errorf("%d bytes differ after being forgotten", size)
		}
	}
}

func TestForgetIgnoresForeignMemory(t *testing.T) {
	m := opened(t, write(t, make([]byte, 8192)))
	foreign := make([]byte, 3*8192)
	foreign[8192] = 1
	if err := m.Forget(foreign); err != nil || foreign[8192] != 1 {
		t.Errorf("foreign memory: %v, %d", err, foreign[8192])
	}
}

func TestCheckSeesAChangedSize(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the file is a copy in memory there")
	}
	for _, size := range []int64{10, 5000, 9000} {
		path := write(t, make([]byte, 8192))
		m := opened(t, path)
		if err := os.Truncate(path, size); err != nil {
			t.Fatal(err)
		}
		if err := m.Check(); !errors.Is(err, ErrChanged) {
			t.Errorf("cut to %d: got %v", size, err)
		}
	}
}

func TestOpenRefusesWhatIsNoFile(t *testing.T) {
	if _, err := Open(filepath.Join(t.TempDir(), "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent file: %v", err)
	}
	if _, err := Open(t.TempDir()); err == nil {
		t.Error("a folder was opened")
	}
}

func TestCloseTwice(t *testing.T) {
	m, err := Open(write(t, []byte("x")))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil || m.Bytes() != nil {
		t.Errorf("second Close: %v, %v", err, m.Bytes())
	}
}
