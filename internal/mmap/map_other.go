//go:build !unix

package mmap

import (
	"io"
	"os"
)

func load(path string, file *os.File, size int) (*Map, error) {
	data := make([]byte, size)
	if _, err := io.ReadFull(file, data); err != nil {
		return nil, err
	}
	return &Map{path: path, data: data}, file.Close()
}

// Forget does nothing: the bytes are a copy in memory.
func (m *Map) Forget([]byte) error { return nil }

// Close drops the bytes.
func (m *Map) Close() error {
	m.data = nil
	return nil
}
