// Package mapped reads files through memory maps, and turns the fault of a
// page that is no longer there (the file was truncated meanwhile, the disk
// failed) into an error.
package mapped

import (
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// File is a regular file mapped read-only.
type File struct {
	path    string
	data    []byte
	modTime time.Time
	unmap   sync.Once
	err     error
}

// Open maps the file at path. An empty file is mapped to no bytes. What is not
// a regular file is refused.
func Open(path string) (*File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0) // opening a pipe must not wait
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file but %s", path, kind(info.Mode()))
	}
	m := &File{path: path, modTime: info.ModTime()}
	if m.data, err = mapFile(f, info.Size()); err != nil {
		return nil, fmt.Errorf("mapping %s: %w", path, err)
	}
	return m, nil
}

func mapFile(f *os.File, size int64) ([]byte, error) {
	if size == 0 {
		return nil, nil
	}
	if size > math.MaxInt {
		return nil, fmt.Errorf("%d bytes do not fit in the address space", size)
	}
	return unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ, unix.MAP_SHARED)
}

func kind(mode os.FileMode) string {
	switch {
	case mode.IsDir():
		return "a folder"
	case mode&os.ModeNamedPipe != 0:
		return "a pipe"
	case mode&os.ModeDevice != 0:
		return "a device"
	}
	return "of type " + mode.Type().String()
}

// Path returns the path the file was opened by.
func (f *File) Path() string { return f.path }

// Data returns the file's bytes, valid until Close.
func (f *File) Data() []byte { return f.data }

// ReadAt implements io.ReaderAt.
func (f *File) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 || off >= int64(len(f.data)) {
		return 0, io.EOF
	}
	err = Guard(f.path, func() error {
		n = copy(p, f.data[off:])
		return nil
	})
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

// Unchanged returns an error if the file at the path is no longer, by size and
// modification time, the one that was opened.
func (f *File) Unchanged() error {
	info, err := os.Stat(f.path)
	if err != nil {
		return fmt.Errorf("%s vanished while it was read: %w", f.path, err)
	}
	if info.Size() != int64(len(f.data)) || !info.ModTime().Equal(f.modTime) {
		return fmt.Errorf("%s changed while it was read", f.path)
	}
	return nil
}

// Close unmaps the file. Later calls return what the first did.
func (f *File) Close() error {
	f.unmap.Do(func() {
		if f.data != nil {
			f.err = unix.Munmap(f.data)
			f.data = nil
		}
	})
	return f.err
}

// Guard calls read, which reads mapped bytes on this goroutine, and returns a
// fault of the mapping as an error that names path.
func Guard(path string, read func() error) (err error) {
	old := debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(old)
	defer func() {
		switch r := recover().(type) {
		case nil:
		case interface {
			runtime.Error
			Addr() uintptr
		}:
			err = fmt.Errorf("%s: reading failed: the file was truncated while in use, or its disk has an error", path)
		default:
			panic(r)
		}
	}()
	return read()
}
