//go:build unix && !solaris && !aix

package filelock

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

func lock(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	switch {
	case errors.Is(err, unix.EWOULDBLOCK):
		return ErrTaken
	case errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.ENOLCK):
		return nil // a file system without locks
	}
	return err
}
