// Package filelock keeps two processes from writing one file at the same time.
package filelock

import (
	"errors"
	"fmt"
	"os"
)

// ErrTaken is wrapped by the error about a file that another process writes.
var ErrTaken = errors.New("another process is writing it")

// Take locks an open file until it is closed. It does not wait: a file that is locked
// is an error that wraps ErrTaken. Where the system knows no such locks it does
// nothing.
func Take(f *os.File) error {
	if err := lock(f); err != nil {
		return fmt.Errorf("%s: %w", f.Name(), err)
	}
	return nil
}
