package directio

import (
	"os"
	"syscall"
)

// open opens the file a second time, for direct writes; nil if that is refused.
func open(file *os.File) *os.File {
	direct, err := os.OpenFile(file.Name(), os.O_WRONLY|syscall.O_DIRECT, 0)
	if err != nil {
		return nil
	}
	if same(file, direct) {
		return direct
	}
	direct.Close() // another file took the name
	return nil
}

func same(a, b *os.File) bool {
	x, err := a.Stat()
	if err != nil {
		return false
	}
	y, err := b.Stat()
	return err == nil && os.SameFile(x, y)
}
