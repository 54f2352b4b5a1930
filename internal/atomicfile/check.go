// Package atomicfile writes files that are there whole or not at all, and says
// before any work whether they can be written.
package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Input is a file that is read while another is written.
type Input struct {
	Path string // "" for none
	Role string // what errors call it: "the model"
}

// Check returns an error unless a file can be written at path: it is no folder or
// device and none of the inputs, by whatever name or link, and its folder is there
// and takes files. It changes nothing.
func Check(path string, inputs ...Input) error {
	if path == "" {
		return errors.New("the name of the output is empty")
	}
	dir := filepath.Dir(resolve(path))
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return CheckFolder(dir)
	case err != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("%s is a folder: name a file", path)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a regular file: name another output", path)
	}
	for _, in := range inputs {
		if other, err := os.Stat(in.Path); err == nil && os.SameFile(info, other) {
			return fmt.Errorf("%s is %s, which would be lost: name another output", path, in.called(path))
		}
	}
	return CheckFolder(dir)
}

// called names the input, and its path if that is another one.
func (in Input) called(path string) string {
	if in.Path == path {
		return in.Role
	}
	return fmt.Sprintf("%s (%s)", in.Role, in.Path)
}

// CheckFolder returns an error unless files can be created in the folder of an
// output.
func CheckFolder(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the folder %s of the output does not exist: create it first", dir)
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is not a folder", dir)
	}
	if err := writable(dir); err != nil {
		return fmt.Errorf("the folder %s of the output can't be written to: %w", dir, err)
	}
	return nil
}

// resolve follows links, so that what they point to is replaced and not the link.
func resolve(path string) string {
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		return resolved
	}
	return filepath.Clean(path)
}
