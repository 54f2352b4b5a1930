// Package mmap gives a file's bytes as a read-only slice without reading them.
//
// On unix the file is mapped: opening costs the same whatever the size, and a
// page is read when it is first touched. A mapped file must not shrink: touching
// a page past its end is a SIGBUS, which ends a Go program. Check finds a file
// that has shrunk before its bytes are touched; after that, Guard turns the fault
// into an error. A file that is replaced by rename is
// safe: the mapping keeps the old one. Elsewhere the file is read into memory.
package mmap

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
)

// ErrChanged is wrapped by Check's error for a file whose size has changed since
// it was opened.
var ErrChanged = errors.New("the file was changed while it was open")

// Map holds the bytes of a file until it is closed. It is safe for concurrent
// use, except for Close.
type Map struct {
	path string
	data []byte
	file *os.File // nil where the bytes are a copy
}

// Open maps the regular file at path. Its errors name the path.
func Open(path string) (*Map, error) {
	info, err := os.Stat(path) // before opening: opening a pipe would block
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: path, Err: errors.New("not a regular file")}
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	m, err := open(path, file)
	if err != nil {
		file.Close()
		return nil, &fs.PathError{Op: "map", Path: path, Err: err}
	}
	return m, nil
}

func open(path string, file *os.File) (*Map, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > math.MaxInt {
		return nil, fmt.Errorf("%d bytes are more than this machine can address", info.Size())
	}
	return load(path, file, int(info.Size()))
}

// Bytes returns the whole file. The slice is read-only (writing to it is a
// fault) and valid until Close.
func (m *Map) Bytes() []byte { return m.data }

// Check returns an error that wraps ErrChanged if the file no longer has the
// size it was opened with.
func (m *Map) Check() error {
	if m.file == nil {
		return nil
	}
	info, err := m.file.Stat()
	if err != nil {
		return err
	}
	if info.Size() != int64(len(m.data)) {
		return fmt.Errorf("%s had %d bytes and now has %d: %w", m.path, len(m.data), info.Size(), ErrChanged)
	}
	return nil
}
