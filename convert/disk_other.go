//go:build !linux

package convert

import (
	"io/fs"
	"os"
)

// canLock says whether lock works here.
const canLock = false

func lock(*os.File) bool { return false }

func freeBytes(string) (free int64, known bool) { return 0, false }

func allocated(string) int64 { return 0 }

func changeTime(fs.FileInfo) int64 { return 0 }

func reserve(*os.File, int64) error { return nil }

// renameNew renames a file, but not over another one; its error wraps fs.ErrExist.
func renameNew(from, to string) error {
	if _, err := os.Lstat(to); err == nil {
		return fs.ErrExist
	}
	return os.Rename(from, to)
}

func peakMemory() int64 { return 0 }
