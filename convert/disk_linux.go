package convert

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// canLock says whether lock works here.
const canLock = true

// lock locks f for this process and reports whether it did, and f still has a name.
func lock(f *os.File) bool {
	if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		return false
	}
	var s unix.Stat_t
	return unix.Fstat(int(f.Fd()), &s) == nil && s.Nlink > 0
}

// freeBytes returns the space that is left for this user, if the file system tells.
func freeBytes(dir string) (free int64, known bool) {
	var disk unix.Statfs_t
	if err := unix.Statfs(dir, &disk); err != nil {
		return 0, false
	}
	return int64(disk.Bavail) * disk.Bsize, true
}

// allocated returns the bytes of the disk that a file takes; 0 for none.
func allocated(path string) int64 {
	var s unix.Stat_t
	if unix.Stat(path, &s) != nil {
		return 0
	}
	return s.Blocks * 512
}

// changeTime returns when a file or what is known of it last changed, in
// nanoseconds; unlike the time of modification no program can set it.
func changeTime(info fs.FileInfo) int64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return s.Ctim.Nano()
	}
	return 0
}

// reserve allocates the first bytes of a file on the disk.
func reserve(f *os.File, bytes int64) error {
	return unix.Fallocate(int(f.Fd()), 0, 0, bytes)
}

// renameNew renames a file, but not over another one; its error wraps fs.ErrExist.
func renameNew(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) { // a file system without it
		return os.Rename(from, to)
	}
	return err
}

// peakMemory returns the largest resident memory that this process has had, the
// kernel's VmHWM; 0 if it is not told.
func peakMemory() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	var kibibytes int64
	if _, err := fmt.Sscanf(rest, "%d kB", &kibibytes); err != nil {
		return 0
	}
	return kibibytes << 10
}
