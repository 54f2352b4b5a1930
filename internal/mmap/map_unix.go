//go:build unix

package mmap

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

func load(path string, file *os.File, size int) (*Map, error) {
	m := &Map{path: path, file: file}
	if size == 0 {
		return m, nil
	}
	data, err := unix.Mmap(int(file.Fd()), 0, size, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	m.data = data
	return m, nil
}

// Forget says that the bytes of b, a part of Bytes, are not needed soon: the
// pages that lie wholly inside it stop counting as this process's memory. They
// are read again when touched.
func (m *Map) Forget(b []byte) error {
	if len(b) == 0 || len(m.data) == 0 {
		return nil
	}
	page := os.Getpagesize()
	start := int(uintptr(unsafe.Pointer(unsafe.SliceData(b))) - uintptr(unsafe.Pointer(unsafe.SliceData(m.data))))
	if start < 0 || start > len(m.data)-len(b) {
		return nil // not ours
	}
	from, to := (start+page-1)/page*page, (start+len(b))/page*page
	if start+len(b) == len(m.data) {
		to = len(m.data) // the last page ends with the file
	}
	if from >= to {
		return nil
	}
	return unix.Madvise(m.data[from:to], unix.MADV_DONTNEED)
}

// Close unmaps the file. The bytes must not be touched afterwards.
func (m *Map) Close() error {
	data, file := m.data, m.file
	m.data, m.file = nil, nil
	if file == nil {
		return nil
	}
	err := file.Close()
	if data == nil {
		return err
	}
	if unmapped := unix.Munmap(data); unmapped != nil {
		return unmapped
	}
	return err
}
