package atomicfile

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// tempInfix stands between the name of the output and a random number.
const tempInfix = ".tmp-"

// File is an output that has a temporary name beside its own until Commit.
type File struct {
	*os.File
	path string
	done bool // committed or discarded
}

// Create begins a file. Discard or Commit has to follow.
func Create(path string) (*File, error) {
	path = resolve(path)
	var b [8]byte
	rand.Read(b[:])
	f, err := os.OpenFile(path+tempInfix+hex.EncodeToString(b[:]), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, fmt.Errorf("creating the output: %w", err)
	}
	return &File{File: f, path: path}, nil
}

// Commit makes what was written the file, on the disk when it returns. After an
// error the earlier file is as it was, and Discard has to follow.
func (f *File) Commit() error {
	if info, err := os.Stat(f.path); err == nil {
		if err := f.Chmod(info.Mode().Perm()); err != nil { // who may read it stays as it was
			return err
		}
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("syncing %s: %w", f.path, err)
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), f.path); err != nil {
		return err
	}
	f.done = true
	return SyncFolder(filepath.Dir(f.path))
}

// Discard removes the file unless it was committed.
func (f *File) Discard() {
	if f.done {
		return
	}
	f.done = true
	f.Close()
	os.Remove(f.Name())
}

// Write writes a file: all that write gives it, or after an error nothing.
func Write(path string, write func(io.Writer) error) error {
	f, err := Create(path)
	if err != nil {
		return err
	}
	defer f.Discard()
	if err := write(f); err != nil {
		return f.named(err)
	}
	return f.named(f.Commit())
}

// named gives the file its own name in an error, not the temporary one.
func (f *File) named(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) && at.Path == f.Name() {
		at.Path = f.path
	}
	return err
}

// SyncFolder makes the names in a folder last.
func SyncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
