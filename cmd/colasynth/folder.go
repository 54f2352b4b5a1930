package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"colakit/internal/atomicfile"
)

// writeFolder makes a folder that is there when write has filled it, or after an
// error not at all. One that is there may be empty, no more.
func writeFolder(path string, write func(dir string) error) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	if err := checkFolder(path); err != nil {
		return err
	}
	parent := filepath.Dir(path)
	temp, err := os.MkdirTemp(parent, filepath.Base(path)+".tmp-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp) // after a rename there is none
	if err := os.Chmod(temp, 0o755); err != nil {
		return err
	}
	if err := write(temp); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err // an empty folder can be removed, one with files can't
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	return atomicfile.SyncFolder(parent)
}

// checkFolder refuses what can't become the output.
func checkFolder(path string) error {
	entries, err := os.ReadDir(path)
	switch info, statErr := os.Stat(path); {
	case errors.Is(statErr, fs.ErrNotExist):
		return atomicfile.CheckFolder(filepath.Dir(path))
	case statErr != nil:
		return statErr
	case !info.IsDir():
		return fmt.Errorf("%s is a file: name another folder", path)
	case err != nil:
		return err
	case len(entries) > 0:
		return fmt.Errorf("%s holds files already, such as %s: name another folder", path, entries[0].Name())
	}
	return atomicfile.CheckFolder(filepath.Dir(path))
}
