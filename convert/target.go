package convert

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"colakit/internal/atomicfile"
	"colakit/internal/directio"
)

// target is where an artifact goes.
type target struct {
	path, dir string
	replace   bool // a file that is there may be replaced
	resume    bool // what an earlier conversion left is taken up, and left for a later one
}

// ErrExists is wrapped by the error for an output that is there already.
var ErrExists = errors.New("exists already")

// newTarget checks all that can be known of the output before it is written.
func newTarget(path string, replace, resume bool, sources []*sourceFile, bytes int64) (target, error) {
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		path = resolved // replace what a link points to, not the link
	}
	t := target{path: path, dir: filepath.Dir(path), replace: replace, resume: resume}
	if err := t.checkFile(sources); err != nil {
		return t, err
	}
	if err := t.checkLeft(); err != nil {
		return t, err
	}
	if resume {
		bytes -= min(bytes, allocated(t.partial()))
	}
	return t, t.checkFolder(bytes)
}

// checkFile checks a file that is at the path already.
func (t target) checkFile(sources []*sourceFile) error {
	info, err := os.Stat(t.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a regular file: name a file for the artifact", t.path)
	}
	for _, s := range sources {
		if other, err := os.Stat(s.path); err == nil && os.SameFile(info, other) {
			return fmt.Errorf("%s is a file of the source (%s): name another output", t.path, s.name)
		}
	}
	if !t.replace {
		t.removeDone()
		return fmt.Errorf("%s %w: name another output, or replace it with --force", t.path, ErrExists)
	}
	return nil
}

// checkFolder checks that the folder takes a file of so many bytes.
func (t target) checkFolder(bytes int64) error {
	if err := atomicfile.CheckFolder(t.dir); err != nil {
		return err
	}
	if free, known := freeBytes(t.dir); known && free < bytes {
		return fmt.Errorf("%s: %w: the artifact needs %d bytes, %d are free in %s", t.path, syscall.ENOSPC, bytes, free, t.dir)
	}
	return nil
}

// tempFile is the artifact while it is written. It is locked, so that another
// conversion can tell it from one left behind by a process that was killed.
type tempFile struct {
	*os.File
	out     *directio.Writer
	target  target
	journal *journal // nil: nothing is left behind
	done    bool     // renamed or removed
}

func newTempFile(f *os.File, t target, j *journal) *tempFile {
	return &tempFile{File: f, out: directio.New(f), target: t, journal: j}
}

// WriteAt implements io.WriterAt.
func (f *tempFile) WriteAt(p []byte, offset int64) (int, error) { return f.out.WriteAt(p, offset) }

// Close releases the file.
func (f *tempFile) Close() error { return errors.Join(f.out.Close(), f.File.Close()) }

// create makes the temporary file after removing those left behind.
func (t target) create() (*tempFile, error) {
	t.removeStale()
	for range 100 {
		f, err := os.OpenFile(t.path+tempInfix+randomName(), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("creating the artifact: %w", err)
		}
		if !canLock || lock(f) {
			return newTempFile(f, t, nil), nil
		}
		f.Close() // another conversion saw it before it was locked, and removes it
	}
	return nil, fmt.Errorf("%s: no temporary file can be created beside it", t.path)
}

// tempInfix stands between the name of the output and a random number.
const tempInfix = ".tmp-"

func randomName() string {
	var b [8]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// removeStale removes temporary files of the same output that nobody holds.
func (t target) removeStale() {
	if !canLock {
		return
	}
	names, err := filepath.Glob(escapeGlob(t.path) + tempInfix + "????????????????")
	if err != nil {
		return
	}
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			continue
		}
		if lock(f) {
			os.Remove(name)
		}
		f.Close()
	}
	t.removeLeft()
}

// removeLeft removes what could have been resumed, unless it is.
func (t target) removeLeft() {
	f, err := os.Open(t.partial())
	if err != nil {
		os.Remove(t.journal()) // which is of no use alone
		return
	}
	defer f.Close()
	if lock(f) {
		os.Remove(t.partial())
		os.Remove(t.journal())
		os.Remove(t.journal() + newSuffix)
	}
}

// escapeGlob makes a path match itself alone.
func escapeGlob(path string) string {
	var b []byte
	for i := range len(path) {
		switch path[i] {
		case '*', '?', '[', '\\':
			b = append(b, '\\')
		}
		b = append(b, path[i])
	}
	return string(b)
}

// commit makes the written file the output: synced, renamed, and the folder synced.
func (f *tempFile) commit() error {
	if err := f.Sync(); err != nil {
		return fmt.Errorf("syncing %s: %w", f.target.path, err)
	}
	if err := f.rename(); err != nil {
		return fmt.Errorf("renaming the artifact: %w", err)
	}
	f.done = true
	if f.journal != nil {
		f.journal.file.Close()
		os.Remove(f.target.journal())
	}
	if err := f.Close(); err != nil {
		return err
	}
	return atomicfile.SyncFolder(f.target.dir)
}

// rename gives the file its name; without leave to replace, never over a file
// that came up meanwhile.
func (f *tempFile) rename() error {
	if f.target.replace {
		return os.Rename(f.Name(), f.target.path)
	}
	err := renameNew(f.Name(), f.target.path)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s %w: it came up during the conversion", f.target.path, ErrExists)
	}
	return err
}

// discard removes the file unless it was committed. With a journal it stays, if
// another conversion can go on where an error of that kind ended this one.
func (f *tempFile) discard(err error) {
	if f.done {
		return
	}
	f.done = true
	if f.journal != nil {
		f.journal.file.Close()
	}
	if f.journal == nil || !resumable(err) {
		os.Remove(f.Name())
		if f.journal != nil {
			os.Remove(f.target.journal())
		}
	}
	f.Close()
}

// preallocate reserves the space on the disk, so that a full one is noticed now.
// File systems that can't do it find out while writing.
func (f *tempFile) preallocate(bytes int64) error {
	err := reserve(f.File, bytes)
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%s: reserving %d bytes: %w", f.target.path, bytes, err)
	}
	return nil
}
