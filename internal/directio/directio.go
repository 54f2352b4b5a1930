// Package directio writes large files past the page cache. A file that is synced
// at its end has to reach the disk anyway: on the way through the cache it costs a
// copy, pages that push out what is read meanwhile, and a wait at the end for all
// that has not been written back.
//
// What is aligned goes to the disk at once (O_DIRECT on Linux); the rest, and all
// of it where the system or the file system knows no such thing, is written as
// usual. The two never share a page.
package directio

import (
	"errors"
	"os"
	"sync/atomic"
	"syscall"
)

// Align is what offsets and addresses are multiples of where writes are direct,
// in bytes: a page, and a multiple of every usual sector.
const Align = 4096

// maxWrite is the size of a direct write: enough to keep a disk busy, few enough
// for the system to pass on in one request.
const maxWrite = 4 << 20

// Writer writes to a file. Writes to different bytes may be made at the same time.
type Writer struct {
	file   *os.File
	direct *os.File    // nil where nothing can be written directly
	usual  atomic.Bool // a direct write was refused: all go the usual way
}

// New returns a Writer to the open file, which stays the caller's to sync and to
// close.
func New(file *os.File) *Writer { return &Writer{file: file, direct: open(file)} }

// WriteAt implements io.WriterAt. Bytes are written directly if they start at a
// multiple of Align in memory and in the file, up to the last such multiple.
func (w *Writer) WriteAt(p []byte, offset int64) (n int, err error) {
	if w.direct != nil && offset%Align == 0 && misaligned(p, Align) == 0 {
		if n, err = w.writeDirectly(p[:len(p)&^(Align-1)], offset); err != nil {
			return n, err
		}
	}
	if n == len(p) {
		return n, nil
	}
	more, err := w.file.WriteAt(p[n:], offset+int64(n))
	return n + more, err
}

// writeDirectly writes p, or less where direct writes are refused.
func (w *Writer) writeDirectly(p []byte, offset int64) (n int, err error) {
	for n < len(p) && !w.usual.Load() {
		wrote, err := w.direct.WriteAt(p[n:min(n+maxWrite, len(p))], offset+int64(n))
		n += wrote
		if errors.Is(err, syscall.EINVAL) { // larger sectors, or no direct writes after all
			w.usual.Store(true)
			return n &^ (Align - 1), nil
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// Close releases what New took. The file stays open.
func (w *Writer) Close() error {
	if w.direct == nil {
		return nil
	}
	return w.direct.Close()
}
