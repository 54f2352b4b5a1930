//go:build !unix || solaris || aix

package filelock

import "os"

func lock(*os.File) error { return nil }
