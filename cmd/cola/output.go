package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
)

// output is a file that appears when it is complete, or a stream.
type output struct {
	io.Writer
	file *os.File // nil for a stream, and after commit
	path string
}

// createOutput creates a temporary file beside path, so that a folder that can't
// be written is noticed before the work; without a path it is stream.
func createOutput(path string, stream io.Writer) (*output, error) {
	if path == "" {
		return &output{Writer: stream}, nil
	}
	temporary := fmt.Sprintf("%s.tmp-%08x", path, rand.Uint32())
	file, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, err
	}
	return &output{Writer: file, file: file, path: path}, nil
}

// commit makes the file take its place.
func (o *output) commit() error {
	if o.file == nil {
		return nil
	}
	if err := o.file.Sync(); err != nil {
		return err
	}
	if err := o.file.Close(); err != nil {
		return err
	}
	if err := os.Rename(o.file.Name(), o.path); err != nil {
		return err
	}
	o.file = nil
	return nil
}

// abandon removes a file that was not committed.
func (o *output) abandon() {
	if o.file != nil {
		o.file.Close()
		os.Remove(o.file.Name())
	}
}
