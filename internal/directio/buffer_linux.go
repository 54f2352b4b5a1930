package directio

import "golang.org/x/sys/unix"

// hugePage is the size of what adviseHuge wants memory to be made of, in bytes.
const hugePage = 2 << 20

// adviseHuge asks for huge pages, of which the system has fewer to look up for a
// disk to read from. Failing to is no error.
func adviseHuge(p []byte) {
	if whole := len(p) &^ (hugePage - 1); whole > 0 && misaligned(p, hugePage) == 0 {
		_ = unix.Madvise(p[:whole], unix.MADV_HUGEPAGE)
	}
}
