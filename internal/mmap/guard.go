package mmap

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// Guard calls read, which touches mapped bytes on this goroutine, and returns the
// fault of a page that is not there as an error that wraps ErrChanged and names
// path. Other panics pass.
func Guard(path string, read func() error) (err error) {
	old := debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(old)
	defer func() {
		switch r := recover().(type) {
		case nil:
		case interface {
			runtime.Error
			Addr() uintptr // what only a fault has
		}:
			err = fmt.Errorf("%s: reading failed: truncated meanwhile, or a disk error: %w", path, ErrChanged)
		default:
			panic(r)
		}
	}()
	return read()
}
